"""Cutout (DeVries and Taylor 2017, arXiv:1708.04552), in the size of DiffAugment (arXiv:2006.10738)."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.augment.base import pick


class Cutout:
    """Sets a window of half of each side (a square in a square image) to 0, which is mid-grey, not black.

    Its centre is anywhere in the image, so part of the window may lie outside. Half a side is rounded up. The centre of
    an odd length is a pixel, one of `size`; that of an even length is an edge between pixels, one of `size + 1`.
    """

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws (count, 2) in [0, 1): the centre, from the top and from the left."""
        return torch.rand(count, 2, generator=generator)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """(B, C, H, W) float and (B, 2) -> (B, C, H, W); pixels outside the window keep their exact values."""
        rows = covered(images.shape[2], parameters[:, 0])
        columns = covered(images.shape[3], parameters[:, 1])
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def covered(size: int, centre: Tensor) -> Tensor:
    """Says which of the `size` rows or columns the window covers: (B,) in [0, 1) -> (B, size) bool."""
    length = (size + 1) // 2
    first = pick(centre, size + 1 - length % 2) - length // 2
    place = torch.arange(size, device=centre.device) - first[:, None]
    return (place >= 0) & (place < length)
