"""Scores by name; `metrics.base.Metric` is what one subclasses."""

from cgan_dist.registry import Registry

METRICS = Registry(
    "metric",
    {
        "classifier_score": "cgan_dist.metrics.inception_score:ClassifierScore",
        "coverage": "cgan_dist.metrics.precision_recall:PrecisionRecall",
        "density": "cgan_dist.metrics.precision_recall:PrecisionRecall",
        "diversity": "cgan_dist.metrics.diversity:Diversity",
        "fid": "cgan_dist.metrics.frechet_distance:Fid",
        "frechet_distance": "cgan_dist.metrics.frechet_distance:FrechetDistance",
        "gan_test": "cgan_dist.metrics.gan_train:GanTrain",
        "gan_train": "cgan_dist.metrics.gan_train:GanTrain",
        "inception_score": "cgan_dist.metrics.inception_score:InceptionScore",
        "intra_fid": "cgan_dist.metrics.frechet_distance:IntraFid",
        "kid": "cgan_dist.metrics.kernel_distance:KernelDistance",
        "label_accuracy": "cgan_dist.metrics.label_accuracy:LabelAccuracy",
        "memorization": "cgan_dist.metrics.memorization:Memorization",
        "precision": "cgan_dist.metrics.precision_recall:PrecisionRecall",
        "recall": "cgan_dist.metrics.precision_recall:PrecisionRecall",
    },
)
