"""Horizontal flip."""

from __future__ import annotations

import torch
from torch import Tensor


class Flip:
    """Mirrors an image left to right with probability 1/2."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws (count, 1) in [0, 1); below 1/2 means: flip."""
        return torch.rand(count, 1, generator=generator)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """(B, C, H, W) float and (B, 1) -> (B, C, H, W); pixels are moved, never changed."""
        flipped = (parameters[:, 0] < 0.5)[:, None, None, None]
        return torch.where(flipped, images.flip(3), images)
