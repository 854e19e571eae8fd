"""Networks that turn images into the features that metrics compare, by name."""

from cgan_dist.registry import Registry

FEATURES = Registry(
    "feature extractor",
    {
        "classifier": "cgan_dist.features.classifier:ClassifierFeatures",
        "inception": "cgan_dist.features.inception:InceptionFeatures",
    },
)
