"""The images of a set, each a function of (checkpoint, labels asked for, seed, number) and of nothing else."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from cgan_dist.labels import ClassLabels, Labels
from cgan_dist.randomness import torch_generator
from cgan_dist.sampling.sampler import BATCH, Sampler

CHUNK = BATCH
"""Images that are drawn together, always: the last bits of an image may depend on how many are."""


class Draws:
    """Image number i of a set, however many there are, and whoever draws it.

    Args:
        sampler: of the generator.
        count: N.
        chosen: labels that take turns; null lets classes take turns, if there are as many images. Other labels are
            drawn as the data has them.
        as_data: draw classes as the data has them too.
    """

    def __init__(self, sampler: Sampler, count: int, chosen: Tensor | None, as_data: bool) -> None:
        schema = sampler.label_space.schema
        if chosen is None and isinstance(schema, ClassLabels) and len(schema.names) <= count and not as_data:
            chosen = sampler.label_space.grid(len(schema.names))
        self.sampler = sampler
        self.count = count
        self.turns = chosen

    @property
    def described(self) -> str:
        """Which labels are asked for, in words."""
        return "as the data has them" if self.turns is None else "taking turns"

    @property
    def chunks(self) -> int:
        """How many chunks the set has; only the last one may be shorter than the others."""
        return -(-self.count // CHUNK)

    def bounds(self, chunk: int) -> tuple[int, int]:
        """Numbers of a chunk's first image and of the one after its last."""
        return chunk * CHUNK, min(self.count, (chunk + 1) * CHUNK)

    def labels(self) -> Labels:
        """(N,) or (N, W), of all images."""
        found: Labels = torch.cat([self._labels(chunk) for chunk in range(self.chunks)])[: self.count].numpy()
        return found

    def images(self, chunk: int) -> NDArray[np.uint8]:
        """(n, H, W, C) uint8, those of one chunk."""
        first, end = self.bounds(chunk)
        z = self.sampler.latents(CHUNK, "set", chunk)
        drawn = self.sampler.images(z, self._labels(chunk))[: end - first]
        images: NDArray[np.uint8] = rearrange(drawn, "n c h w -> n h w c").contiguous().numpy()
        return images

    def _labels(self, chunk: int) -> Tensor:
        """Of a whole chunk, beyond the end of the set too."""
        if self.turns is not None:
            return self.turns[torch.arange(chunk * CHUNK, (chunk + 1) * CHUNK) % len(self.turns)]
        return self.sampler.distribution.draw(CHUNK, torch_generator(self.sampler.seed, "set labels", chunk))
