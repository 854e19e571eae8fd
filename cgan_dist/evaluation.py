"""Scores of a generator against the real shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from einops import rearrange

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.data.shards import ShardSet
from cgan_dist.metrics import METRICS
from cgan_dist.metrics.label_accuracy import match_channels
from cgan_dist.sampling import Sampler

WHERE = "evaluate.metrics"


def check_metrics(names: Sequence[str], label_space: LabelSpace) -> dict[str, Callable[..., Any]]:
    """Asks metrics whether they can work with these labels; cheap, to be known before training.

    Returns:
        The builder of each.

    Raises:
        UserError: if a name is unknown, or a metric has no use for such labels.
    """
    builders = {name: METRICS.resolve(name, WHERE) for name in names}
    for builder in builders.values():
        if check := getattr(builder, "check", None):
            check(label_space, WHERE)
    return builders


class Evaluator:
    """Computes named metrics of a sampler's generator; what they learn from the real images is kept for reuse.

    Args:
        shards: the real set.
        label_space: of the generator.
        metrics: names of `metrics.METRICS`.
        count: fakes per evaluation.

    Raises:
        UserError: if a metric is unknown, or has no use for such labels.
    """

    def __init__(self, shards: ShardSet, label_space: LabelSpace, metrics: Sequence[str], count: int) -> None:
        self.shards = shards
        self.label_space = label_space
        self.count = count
        self.builders = check_metrics(metrics, label_space)
        self._built: dict[str, Any] = {}

    def scores(self, sampler: Sampler) -> dict[str, float]:
        """Draws fakes and scores them, on this process alone; the draws depend on the sampler's seed only.

        Returns:
            `eval/NAME` to value.
        """
        if self.builders and not self._built:
            self._build()
        images, labels = sampler.fair(self.count)
        fakes = match_channels(
            rearrange(torch.from_numpy(images), "b h w c -> b c h w"), self.shards.manifest.image.channels
        )
        found: dict[str, float] = {}
        for metric in self._built.values():
            scores = metric.score(fakes, torch.from_numpy(labels))
            found |= {f"eval/{key}": value for key, value in scores.items()}
        return found

    def _build(self) -> None:
        real = self.shards.load_all()
        images = rearrange(torch.from_numpy(real.images), "n h w c -> n c h w")
        labels = self.label_space.select(torch.from_numpy(real.labels))
        for name, builder in self.builders.items():
            self._built[name] = builder(
                images, labels, self.label_space, self.shards.cache_folder, self.shards.manifest.fingerprint
            )
