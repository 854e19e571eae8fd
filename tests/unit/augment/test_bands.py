"""Octaves, against filters of numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.augment.bands import BANDS, POWER, filtered

SYM2 = np.array([1 + math.sqrt(3), 3 + math.sqrt(3), 3 - math.sqrt(3), 1 - math.sqrt(3)]) / 8
"""Daubechies' low-pass filter of four taps, with a sum of 1."""


def spread(taps: np.ndarray, factor: int) -> np.ndarray:
    wide = np.zeros(factor * (len(taps) - 1) + 1)
    wide[::factor] = taps
    return wide


def padded(taps: np.ndarray, length: int = 43) -> np.ndarray:
    around = (length - len(taps)) // 2
    return np.pad(taps, around)


def bank() -> np.ndarray:
    """(4, 43): what the paper's bank is for sym2."""
    low = np.convolve(SYM2, SYM2[::-1])
    one = np.array([1.0])

    def rest(taps: np.ndarray) -> np.ndarray:
        return padded(one, len(taps)) - taps

    first, second, third = low, spread(low, 2), spread(low, 4)
    return np.stack(
        [
            padded(np.convolve(np.convolve(first, second), third)),
            padded(np.convolve(np.convolve(first, second), rest(third))),
            padded(np.convolve(first, rest(second))),
            padded(rest(first)),
        ]
    )


def factors(octaves: list[float]) -> np.ndarray:
    found = np.ones(4)
    for number, octave in enumerate(octaves):
        gains = np.ones(4)
        gains[number] = 10**octave
        found *= gains / math.sqrt((np.array(POWER) * gains**2).sum())
    return found


def convolved(rows: np.ndarray, taps: np.ndarray) -> np.ndarray:
    reach = len(taps) // 2
    wide = np.pad(rows, [(0, 0), (reach, reach)], mode="symmetric")
    return np.stack([np.convolve(row, taps, mode="valid") for row in wide])


def values(*octaves: list[float]) -> dict[str, Tensor]:
    return dict(zip(BANDS, torch.tensor(octaves, dtype=torch.float64).T, strict=True))


@pytest.mark.parametrize("octaves", [[0.7, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 0.4], [-0.3, 0.2, 0.5, -0.8]])
@pytest.mark.parametrize("size", [(24, 30), (6, 9)])
def test_bands_are_those_of_the_papers_filters(octaves: list[float], size: tuple[int, int]) -> None:
    picture = torch.randn(1, 1, *size, dtype=torch.float64)
    taps = factors(octaves) @ bank()
    expected = convolved(convolved(picture[0, 0].numpy(), taps).T, taps).T
    torch.testing.assert_close(filtered(picture, values(octaves))[0, 0], torch.from_numpy(expected.copy()))


def test_together_the_bands_are_the_picture() -> None:
    assert bank().sum(0) == pytest.approx(padded(np.array([1.0])))
    picture = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    barely = filtered(picture, values([1e-12, 0, 0, 0]))
    torch.testing.assert_close(barely, picture)


def test_a_picture_that_nothing_came_to_stays_as_it_is() -> None:
    pictures = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    changed = filtered(pictures, values([0, 0, 0, 0], [0, 0, 1, 0]))
    assert torch.equal(changed[0], pictures[0])
    assert not torch.allclose(changed[1], pictures[1])
