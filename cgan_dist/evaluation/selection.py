"""Some images of a prepared set, in the order of its shards: what fakes are compared with, or scored like fakes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.data.shards import OpenShard, ShardSet
from cgan_dist.evaluation.metrics.classifier import split

Split = Literal["all", "train", "held_out"]


class Selection:
    """The images of one split, or the first of them.

    Args:
        shards: the set.
        label_space: of the labels.
        split: `all`; or `held_out`, those that a classifier of the whole set does not train on (a tenth, at most
            2,000); or `train`, the others.
        count: at most so many; null for all.
    """

    def __init__(
        self, shards: ShardSet, label_space: LabelSpace, split: Split = "all", count: int | None = None
    ) -> None:
        self.shards = shards
        self.label_space = label_space
        self.split = split
        self.positions = _positions(shards.manifest.count, split)[:count]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def fingerprint(self) -> str:
        """The manifest's, and what part of it this is unless it is the whole."""
        whole = self.shards.manifest.fingerprint
        return whole if len(self) == self.shards.manifest.count else f"{whole}-{self.split}-{len(self)}"

    @cached_property
    def labels(self) -> Tensor:
        """Those of the space, of all of these images."""
        parts = [self._labels_of(shard, chosen) for shard, chosen in self._by_shard(0, len(self))]
        return self.label_space.select(torch.from_numpy(np.concatenate(parts)))

    def images(self, start: int, stop: int) -> Tensor:
        """Reads some of them as pictures: (stop - start, C, H, W) uint8."""
        parts = [self.shards.take(shard, chosen).images for shard, chosen in self._by_shard(start, stop)]
        return rearrange(torch.from_numpy(self.shards.pictures(np.concatenate(parts))), "n h w c -> n c h w")

    def _by_shard(self, start: int, stop: int) -> Iterator[tuple[OpenShard, NDArray[np.int64]]]:
        """Each shard with some of these images, and their numbers in it."""
        ends = np.cumsum([shard.count for shard in self.shards.manifest.shards])
        chosen = np.asarray(self.positions[start:stop], np.int64)
        shards = np.searchsorted(ends, chosen, side="right")
        for number in np.unique(shards).tolist():
            first = ends[number] - self.shards.manifest.shards[number].count
            yield self.shards.open(number), chosen[shards == number] - first

    def _labels_of(self, shard: OpenShard, chosen: NDArray[np.int64]) -> NDArray[np.generic]:
        if self.shards.skips:  # the label of what stands in for a damaged image is known when that is read
            return self.shards.take(shard, chosen).labels
        labels: NDArray[np.generic] = shard.data.labels[chosen]
        return labels


def _positions(count: int, split_name: Split) -> range | NDArray[np.int64]:
    if split_name == "all":
        return range(count)  # an array has 8 bytes an image, on every rank, whether there are metrics or not
    held_out = np.sort(split(count)[1].numpy())
    return held_out if split_name == "held_out" else np.setdiff1d(np.arange(count), held_out)
