"""Scores by name; `metrics.base.Metric` is what one subclasses."""

from cgan_dist.config.registry import Registry

METRICS = Registry(
    "metric",
    "cgan_dist:Metric",
    {
        "classifier_score": "cgan_dist.evaluation.metrics.inception_score:ClassifierScore",
        "coverage": "cgan_dist.evaluation.metrics.precision_recall:PrecisionRecall",
        "density": "cgan_dist.evaluation.metrics.precision_recall:PrecisionRecall",
        "diversity": "cgan_dist.evaluation.metrics.diversity:Diversity",
        "fid": "cgan_dist.evaluation.metrics.frechet_distance:Fid",
        "frechet_distance": "cgan_dist.evaluation.metrics.frechet_distance:FrechetDistance",
        "gan_test": "cgan_dist.evaluation.metrics.gan_train:GanTrain",
        "gan_train": "cgan_dist.evaluation.metrics.gan_train:GanTrain",
        "inception_score": "cgan_dist.evaluation.metrics.inception_score:InceptionScore",
        "intra_fid": "cgan_dist.evaluation.metrics.frechet_distance:IntraFid",
        "kid": "cgan_dist.evaluation.metrics.kernel_distance:KernelDistance",
        "label_accuracy": "cgan_dist.evaluation.metrics.label_accuracy:LabelAccuracy",
        "memorization": "cgan_dist.evaluation.metrics.memorization:Memorization",
        "path_length": "cgan_dist.evaluation.metrics.path_length:PathLength",
        "precision": "cgan_dist.evaluation.metrics.precision_recall:PrecisionRecall",
        "recall": "cgan_dist.evaluation.metrics.precision_recall:PrecisionRecall",
    },
)
