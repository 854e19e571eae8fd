"""Octaves of frequencies made louder and quieter."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import torch
from torch import Tensor

BANDS = ("band_1", "band_2", "band_3", "band_4")
"""From the lowest: up to an eighth of the highest frequency of a picture, a fourth, a half, and the rest."""
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""What pictures have of each, by the paper."""


def filtered(images: Tensor, values: Mapping[str, Tensor]) -> Tensor:
    """Multiplies frequencies, octave by octave, alike in rows and columns (Karras et al. 2020, arXiv:2006.06676).

    A band that becomes louder makes the others quieter, so that pictures with the usual spectrum keep their power. The
    bands are those of the paper's wavelet, sym2; filters that are symmetric act on a picture with mirrors beyond its
    edges by factors of its cosine transform, which is what is multiplied here.

    Args:
        images: (B, C, H, W) float32 or better; one whose values are all 0 stays as it is, exactly.
        values: `band_1`, ..., `band_4`, (B,) each: the decimal logarithm of a factor.

    Returns:
        (B, C, H, W).
    """
    octaves = torch.stack([values[name] for name in BANDS], dim=1)
    factors = _factors(octaves)
    rows, columns = (_cosines(size, images.dtype, images.device) for size in images.shape[2:])
    down, across = (factors @ _responses(size, images.dtype, images.device) for size in images.shape[2:])
    spectrum = (rows @ images @ columns.T) * down[:, None, :, None] * across[:, None, None, :]
    changed = rows.T @ spectrum @ columns
    return torch.where(octaves.any(1)[:, None, None, None], changed, images)


def _factors(octaves: Tensor) -> Tensor:
    """(B, 4) decimal logarithms -> (B, 4) factors: each band in its turn, and then all by the power that it made."""
    found = torch.ones_like(octaves)
    for number, power in enumerate(POWER):
        louder = torch.pow(10, octaves[:, number])
        scale = (1 + power * (louder.square() - 1)).rsqrt()
        mine = torch.arange(len(POWER), device=octaves.device) == number
        found = found * scale[:, None] * torch.where(mine, louder[:, None], 1)
    return found


@functools.cache
def _cosines(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The orthogonal cosine transform of a row with mirrors at both ends (DCT-II): (N, N), a frequency a row."""
    places = torch.arange(size, dtype=dtype, device=device)
    waves = torch.cos(math.pi / size * places[:, None] * (places + 0.5)) * math.sqrt(2 / size)
    return torch.where(places[:, None] == 0, math.sqrt(1 / size), waves)


@functools.cache
def _responses(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(4, N): what of each frequency of `_cosines` is in each band; they add up to 1."""
    frequency = torch.arange(size, dtype=dtype, device=device) * (math.pi / size)
    first, second, third = (_lower_half(frequency * factor) for factor in (1, 2, 4))
    return torch.stack(
        [first * second * third, first * second * (1 - third), first * (1 - second), 1 - first],
    )


def _lower_half(frequency: Tensor) -> Tensor:
    """Squared response of sym2 (Daubechies' filter of four taps), which with its mirror image adds up to 1."""
    cos = frequency.cos()
    return ((1 + cos) / 2).square() * (2 - cos)
