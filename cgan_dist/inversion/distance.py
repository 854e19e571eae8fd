"""How far images of a generator are from pictures: in pixels, and in features."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition
from cgan_dist.data.pixels import PIXEL_RANGES, PixelRange
from cgan_dist.inversion.views import View
from cgan_dist.latents.latent_range import LatentRange
from cgan_dist.randomness import draw_latent, torch_generator
from cgan_dist.sampling.sampler import Sampler

PAIRS = 128
"""Of random samples, whose mean distance is 1."""
BATCH = 64
MAX_ROWS, MAX_VALUES = 256, 1 << 21
"""Images that are made at once, and their values: 170 of 64x64 in colour."""


class Parts(NamedTuple):
    """(B,) each: the mean squared difference of pixels and of features, both 1 between two random samples."""

    pixels: Tensor
    features: Tensor


class Seen(NamedTuple):
    """What a picture is held against: (B, c, h, w) float in [-1, 1], and (B, F), F being 0 without features."""

    pixels: Tensor
    features: Tensor


class Distance:
    """(1 - weight) * pixels + weight * features, in units in which two random samples are 1 apart.

    The generator draws without truncation. Nothing but z and the condition gets a gradient.

    Args:
        sampler: of the generator.
        view: of the features, on the generator's device; null compares pixels alone.
        weight: of the features, 0 to 1.

    Attributes:
        shape: (c, h, w) of a picture.
    """

    def __init__(self, sampler: Sampler, view: View | None, weight: float = 0.5) -> None:
        self.sampler, self.view = sampler, view
        self.weight = weight if view is not None else 0.0
        self.device = next(sampler.generator.parameters()).device
        self.scale = Parts(torch.ones((), device=self.device), torch.ones((), device=self.device))
        self.shape, self.scale = self._measured()

    @property
    def rows(self) -> int:
        """Images that are made at once; the memory that they take is bounded whatever their size."""
        return max(1, min(MAX_ROWS, MAX_VALUES // (self.shape[0] * self.shape[1] * self.shape[2])))

    def made(self, z: Tensor, condition: Condition) -> Tensor:
        """(B, Z) and a condition -> pictures (B, c, h, w) float in about [-1, 1], with a gradient."""
        values, pixels = self.sampler.generator(z, condition).float(), self.sampler.pixels
        if isinstance(pixels, LatentRange):
            return pixels.decode(values)
        plain = cast(PixelRange, pixels)
        return cast(Tensor, (values - plain.offset) * (plain.divisor / 127.5) - 1)

    def pictures(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> (B, c, h, w) float in [-1, 1] on the device; grey is repeated where G makes colour."""
        return PIXEL_RANGES["unit"].normalize(images.to(self.device), self.shape[0])

    def seen(self, pictures: Tensor, condition: Condition) -> Seen:
        """Pictures in [-1, 1] -> what they are compared by, judged under a condition."""
        features = self.view(pictures, condition) if self.view is not None else pictures.new_empty(len(pictures), 0)
        return Seen(pictures, features)

    def between(self, one: Seen, other: Seen) -> Parts:
        """(B,) of both; 0 for features that are not compared."""
        pixels = (one.pixels - other.pixels).square().flatten(1).mean(1) / self.scale.pixels
        if self.view is None:
            return Parts(pixels, torch.zeros_like(pixels))
        return Parts(pixels, (one.features - other.features).square().mean(1) / self.scale.features)

    def whole(self, parts: Parts) -> Tensor:
        """(B,): the one number that the search makes small."""
        return (1 - self.weight) * parts.pixels + self.weight * parts.features

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Within it the generator is in inference mode and gets no gradient of its own."""
        network = self.sampler.generator
        was_training, wanted = network.training, [p for p in network.parameters() if p.requires_grad]
        network.eval().requires_grad_(False)
        try:
            yield
        finally:
            network.train(was_training)
            for parameter in wanted:
                parameter.requires_grad_(True)

    def random(self, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draws (N, Z) and labels as the data has them, on the CPU."""
        sampler = self.sampler
        labels = sampler.distribution.draw(count, torch_generator(seed, "inversion labels"))
        shape = (count, sampler.latent_dim)
        return draw_latent(shape, sampler.latent, torch_generator(seed, "inversion samples")), labels

    @torch.no_grad()
    def _measured(self) -> tuple[tuple[int, int, int], Parts]:
        """The shape of a picture, and the mean distances of pairs of samples, each pair judged under one label."""
        z, labels = self.random(2 * PAIRS)
        found = []
        with self.frozen():
            for place in range(0, PAIRS, BATCH):
                own = slice(place, place + BATCH)
                one, other = (
                    self.made(z[half][own].to(self.device), on(self.device, self.sampler.label_space.encode(of[own])))
                    for half, of in ((slice(PAIRS), labels[:PAIRS]), (slice(PAIRS, None), labels[PAIRS:]))
                )
                judged = on(self.device, self.sampler.label_space.encode(labels[:PAIRS][own]))
                found.append(self.between(self.seen(one, judged), self.seen(other, judged)))
        means = (torch.cat(part).mean().clamp_min(1e-12) for part in zip(*found, strict=True))
        channels, height, width = one.shape[1:]
        return (channels, height, width), Parts(*means)


def on(device: torch.device, condition: Condition) -> Condition:
    """A condition on a device."""
    return Condition(*(part.to(device) for part in condition))
