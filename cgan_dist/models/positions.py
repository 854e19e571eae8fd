"""Where the patches of an image are: added to their tokens, and turned into queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.models.scales import Size

LONGEST_WAVE = 10_000
"""Of both kinds of positions, over 2 pi, in patches (Vaswani et al. 2017, arXiv:1706.03762, section 3.5)."""


def sine_cosine(grid: Size, width: int) -> Tensor:
    """Sine and cosine of each patch's row, in the first half of its values, and of its column, in the second.

    Args:
        grid: patches (down, across).
        width: values of a token; a multiple of 4.

    Returns:
        (down * across, width) in [-1, 1].
    """
    angles = [place[:, None] * _frequencies(width // 4) for place in _places(grid)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)


def turns(grid: Size, head_width: int, before: int = 0) -> Tensor:
    """Angles of rotary positions (Su et al. 2021, arXiv:2104.09864), half of them for the row, half for the column.

    Args:
        grid: patches (down, across).
        head_width: values of a query; a multiple of 4.
        before: tokens that stand before the patches, have no place and are not turned.

    Returns:
        (2, before + down * across, head_width / 2): cosine and sine.
    """
    angles = torch.cat([place[:, None] * _frequencies(head_width // 4) for place in _places(grid)], dim=1)
    angles = torch.cat([torch.zeros(before, head_width // 2), angles])
    return torch.stack([angles.cos(), angles.sin()])


def turned(values: Tensor, by: Tensor) -> Tensor:
    """Turns the pairs (i, i + half) of the values of each token; the product of two depends on how far they are apart.

    Args:
        values: (B, heads, T, head_width).
        by: from `turns`, (2, T, head_width / 2).
    """
    cosine, sine = by.to(values.dtype)
    one, other = values.chunk(2, dim=-1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], dim=-1)


def _places(grid: Size) -> tuple[Tensor, Tensor]:
    """Row and column of each patch, (down * across,) each."""
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    return rows.flatten().float(), columns.flatten().float()


def _frequencies(count: int) -> Tensor:
    return LONGEST_WAVE ** -(torch.arange(count) / count)
