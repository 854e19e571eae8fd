"""What is scored: a generator's samples, or real images in their place."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from cgan_dist.evaluation.metrics.base import Asked
from cgan_dist.evaluation.selection import Selection
from cgan_dist.labels import ClassLabels
from cgan_dist.randomness import torch_generator
from cgan_dist.sampling.interpolation import between
from cgan_dist.sampling.sampler import Sampler


class Candidates(Protocol):
    """A global list of images for each way of choosing labels; every rank sees the same list and draws its share."""

    count: int
    has_ways: bool
    """Whether they come from z, so that there are ways between them."""

    def resolve(self, asks: Asked) -> Asked:
        """The way of choosing labels that stands for this one: where two are the same, one list does for both."""

    def labels(self, asks: Asked) -> Tensor:
        """Those that the images are scored by, of the label space; as long as the list."""

    def images(self, asks: Asked, start: int, stop: int) -> Tensor:
        """A part of the list, (stop - start, C, H, W) uint8."""

    def on_ways(self, asks: Asked, start: int, stop: int, ahead: float) -> Tensor:
        """As many pictures between two z, each `ahead` of a random place of its own way, under those labels.

        They are (stop - start, C, H, W) float32 in 0..255, not rounded. Only where it `has_ways`.
        """

    def facts(self) -> dict[str, Any]:
        """What a report says of them, JSON-ready."""


class Asking(NamedTuple):
    """z (N, Z) and labels of a list of samples."""

    z: Tensor
    labels: Tensor


class Ways(NamedTuple):
    """Two z (N, Z) for each of a list, and a place between them, (N, 1) in 0..1; float64, for a step that is short."""

    one: Tensor
    other: Tensor
    place: Tensor


class GeneratedImages:
    """Samples of a generator. The n-th z and label are functions of (seed, n), whatever the number of ranks.

    Args:
        sampler: draws them.
        count: how many.
        channels: of the real images; a generator of repeated grey ones is averaged back.
        shuffle_labels: score each sample by the label of another one, as a control: it must score badly.
    """

    has_ways = True

    def __init__(self, sampler: Sampler, count: int, channels: int, shuffle_labels: bool = False) -> None:
        self.sampler = sampler
        self.count = count
        self.channels = channels
        self.shuffle_labels = shuffle_labels
        self._asking: dict[Asked, Asking] = {}

    def resolve(self, asks: Asked) -> Asked:
        """Balanced classes are as in the data when they take turns; other labels are as in the data anyway."""
        if not self._has_turns:
            return "as_data"
        counts = self.sampler.distribution.counts
        balanced = len(counts) == len(self.sampler.label_space.schema.names) and bool((counts == counts[0]).all())
        return "fair" if balanced else asks

    def labels(self, asks: Asked) -> Tensor:
        """Those that were asked for or, shuffled, those of other samples."""
        labels = self._asked(asks).labels
        if not self.shuffle_labels:
            return labels
        return labels[torch.randperm(self.count, generator=torch_generator(self.sampler.seed, "shuffled labels"))]

    def images(self, asks: Asked, start: int, stop: int) -> Tensor:
        """Draws them anew each time."""
        z, labels = self._asked(asks)
        return match_channels(self.sampler.images(z[start:stop], labels[start:stop]), self.channels)

    def on_ways(self, asks: Asked, start: int, stop: int, ahead: float) -> Tensor:
        """Draws them; the n-th way and place are functions of (seed, n) too."""
        one, other, place = (part[start:stop] for part in self._ways)
        z = between(one, other, place + ahead, self.sampler.latent)
        pictures = self.sampler.unrounded(z.float(), self._asked(asks).labels[start:stop])
        return match_channels(pictures, self.channels)

    def facts(self) -> dict[str, Any]:
        """Seed, truncation and control."""
        sampler = self.sampler
        return {
            "images": "generated",
            "count": self.count,
            "seed": sampler.seed,
            "truncation": sampler.truncation,
            "shuffled_labels": self.shuffle_labels,
        }

    @cached_property
    def _ways(self) -> Ways:
        sampler = self.sampler
        one, other = (sampler.latents(self.count, "ends of ways", end).double() for end in (0, 1))
        generator = torch_generator(sampler.seed, "places on ways")
        return Ways(one, other, torch.rand(self.count, 1, generator=generator, dtype=torch.float64))

    @property
    def _has_turns(self) -> bool:
        schema = self.sampler.label_space.schema
        return isinstance(schema, ClassLabels) and len(schema.names) <= self.count

    def _asked(self, asks: Asked) -> Asking:
        """The whole list, drawn once; the same as `Sampler.fair` and `Sampler.drawn` draw."""
        if asks not in self._asking:
            sampler = self.sampler
            if asks == "fair" and self._has_turns:
                every = sampler.label_space.grid(self.count)
                labels, purpose = every[torch.arange(self.count) % len(every)], "balanced"
            else:
                labels = sampler.distribution.draw(self.count, torch_generator(sampler.seed, "labels"))
                purpose = "drawn"
            self._asking[asks] = Asking(sampler.latents(self.count, purpose), labels)
        return self._asking[asks]


class RealImages:
    """Real images, with the labels that they have: how a perfect generator would score.

    Args:
        selection: which; none of them should be among those that they are compared with.
    """

    has_ways = False

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.count = len(selection)

    def resolve(self, asks: Asked) -> Asked:
        """There is one list."""
        return "as_data"

    def labels(self, asks: Asked) -> Tensor:
        """Their own."""
        return self.selection.labels

    def images(self, asks: Asked, start: int, stop: int) -> Tensor:
        """Reads them."""
        return self.selection.images(start, stop)

    def on_ways(self, asks: Asked, start: int, stop: int, ahead: float) -> Tensor:
        """There are none."""
        raise AssertionError("real images are not made from z")

    def facts(self) -> dict[str, Any]:
        """Which images they are."""
        chosen = self.selection
        data = chosen.shards.manifest.fingerprint
        return {"images": "real", "count": self.count, "data": data, "split": chosen.split}


def match_channels(images: Tensor, channels: int) -> Tensor:
    """Brings (N, C, H, W) fakes, uint8 or float, to the real images' channels: repeated grey is averaged back."""
    if images.shape[1] == channels:
        return images
    grey = images.float().mean(1, keepdim=True)
    return (grey if images.is_floating_point() else grey.round().to(torch.uint8)).expand(-1, channels, -1, -1)
