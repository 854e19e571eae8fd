"""Scores by name.

A metric is built as `metric(real_images, real_labels, num_classes, cache, fingerprint)` from the real set, (N, C, H, W)
uint8 and (N,) int64, and called as `metric.score(images, labels)` on as many fakes, returning named floats.
"""

from cgan_dist.registry import Registry

METRICS = Registry(
    "metric",
    {
        "frechet_distance": "cgan_dist.metrics.frechet_distance:FrechetDistance",
        "label_accuracy": "cgan_dist.metrics.label_accuracy:LabelAccuracy",
    },
)
