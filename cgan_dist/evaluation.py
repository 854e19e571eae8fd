"""Scores of a generator against the real shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange

from cgan_dist.data.shards import ShardSet
from cgan_dist.metrics import METRICS
from cgan_dist.metrics.label_accuracy import match_channels
from cgan_dist.sampling import Sampler


class Evaluator:
    """Computes named metrics of a sampler's generator; what they learn from the real images is kept for reuse.

    Args:
        shards: the real set.
        metrics: names of `metrics.METRICS`.
        count: fakes per evaluation, the classes taking turns.
    """

    def __init__(self, shards: ShardSet, metrics: Sequence[str], count: int) -> None:
        self.shards = shards
        self.count = count
        self.builders = {name: METRICS.resolve(name, "evaluate.metrics") for name in metrics}
        self._built: dict[str, Any] = {}

    def scores(self, sampler: Sampler) -> dict[str, float]:
        """Draws fakes and scores them, on this process alone; the draws depend on the sampler's seed only.

        Returns:
            `eval/NAME` to value.
        """
        images, labels = sampler.balanced(torch.arange(sampler.label_space.width), self.count)
        fakes = match_channels(
            rearrange(torch.from_numpy(images), "b h w c -> b c h w"), self.shards.manifest.image.channels
        )
        found: dict[str, float] = {}
        for name in self.builders:
            scores = self._metric(name).score(fakes, torch.from_numpy(labels))
            found |= {f"eval/{key}": value for key, value in scores.items()}
        return found

    def _metric(self, name: str) -> Any:
        if name not in self._built:
            manifest, real = self.shards.manifest, self.shards.load_all()
            self._built[name] = self.builders[name](
                rearrange(torch.from_numpy(real.images), "n h w c -> n c h w"),
                torch.from_numpy(real.labels),
                len(manifest.labels.names),
                self.shards.cache_folder,
                manifest.fingerprint,
            )
        return self._built[name]
