"""Scores by name.

A metric is built as `metric(real_images, real_labels, label_space, cache, fingerprint)` from the real set, (N, C, H, W)
uint8 and labels of the space, and called as `metric.score(images, labels)` on as many fakes, returning named floats.
It may have a static `check(label_space, where)` that raises UserError, before training, if it cannot use such labels.
"""

from cgan_dist.registry import Registry

METRICS = Registry(
    "metric",
    {
        "frechet_distance": "cgan_dist.metrics.frechet_distance:FrechetDistance",
        "label_accuracy": "cgan_dist.metrics.label_accuracy:LabelAccuracy",
    },
)
