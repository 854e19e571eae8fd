"""Translation by whole pixels (Zhao et al. 2020, arXiv:2006.10738)."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.augment.base import pick


class Translation:
    """Shifts an image by up to an eighth of each side, each shift of a whole number of pixels being equally likely.

    The vacated border is 0 in the range of the networks, as in the paper: mid-grey, not black. An eighth is rounded to
    the nearest pixel, halves up; a side below 4 pixels is never shifted.
    """

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws (count, 2) in [0, 1): down and right, where 0 is the largest shift up or left."""
        return torch.rand(count, 2, generator=generator)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """(B, C, H, W) float and (B, 2) -> (B, C, H, W); pixels that stay in the image keep their exact values."""
        for dim, fraction in ((2, parameters[:, 0]), (3, parameters[:, 1])):
            largest = (images.shape[dim] + 4) // 8
            images = shift(images, pick(fraction, 2 * largest + 1) - largest, dim)
        return images


def shift(images: Tensor, offsets: Tensor, dim: int) -> Tensor:
    """Moves image b by `offsets[b]` pixels towards larger indices of `dim`; what is moved out is lost, 0 moves in.

    Args:
        images: (B, C, H, W).
        offsets: (B,) int64.
        dim: 2 for rows, 3 for columns.

    Returns:
        (B, C, H, W).
    """
    size = images.shape[dim]
    source = torch.arange(size, device=images.device) - offsets[:, None]
    source = source[:, None, :, None] if dim == 2 else source[:, None, None, :]
    # Going round keeps every index valid and unique, so the backward pass adds nothing up and is deterministic.
    rolled = images.gather(dim, source.remainder(size).expand_as(images))
    return rolled.masked_fill((source < 0) | (source >= size), 0)
