"""Networks that turn images into the features that metrics compare, by name."""

from cgan_dist.config.registry import Registry

FEATURES = Registry(
    "feature extractor",
    "cgan_dist:Extractor",
    {
        "classifier": "cgan_dist.evaluation.features.classifier:ClassifierFeatures",
        "inception": "cgan_dist.evaluation.features.inception:InceptionFeatures",
    },
)
