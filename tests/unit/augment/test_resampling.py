"""Twice the size and back, and between pixels."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.functional import grid_sample

from cgan_dist.augment.resampling import between_pixels, doubled, gathered, halved, mirrored


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (1, 3, 17, 12), (1, 1, 1, 2), (1, 2, 64, 5)])
def test_what_is_doubled_and_halved_is_what_it_was(shape: tuple[int, ...]) -> None:
    images = torch.randn(*shape, dtype=torch.float64)
    large = doubled(images)
    assert large.shape == (*shape[:2], 2 * shape[2], 2 * shape[3])
    torch.testing.assert_close(halved(large), images)
    torch.testing.assert_close(halved(doubled(images.float())), images.float(), rtol=0, atol=1e-5)


def test_mirrors_and_quarter_turns_can_be_made_before_or_behind() -> None:
    images = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    for change in (lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x.rot90(1, (2, 3))):
        torch.testing.assert_close(doubled(change(images)), change(doubled(images)))
        torch.testing.assert_close(halved(change(doubled(images))), change(images))


@pytest.mark.parametrize("cycles", [0, 1, 3])
def test_a_slow_wave_is_sampled_twice_as_often(cycles: int) -> None:
    def wave(size: int) -> torch.Tensor:
        return torch.cos(math.pi * cycles * (torch.arange(size, dtype=torch.float64) + 0.5) / size).expand(1, 1, 4, -1)

    large = doubled(wave(16))
    torch.testing.assert_close(large[..., :4, :], wave(32), rtol=0, atol=0.02)


def test_halving_leaves_no_frequency_that_it_cannot_show() -> None:
    fast = torch.cos(0.8 * math.pi * torch.arange(64, dtype=torch.float64)).expand(1, 1, 64, 64)
    assert halved(fast)[..., 4:-4].abs().max() < 0.03
    assert fast[..., ::2].abs().mean() > 0.6


def test_a_mirror_stands_at_each_end() -> None:
    assert mirrored(torch.arange(-4, 9), 3).tolist() == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]


@pytest.mark.parametrize("sampled", [between_pixels, gathered])
def test_between_pixels_is_bilinear_with_mirrors_at_the_edges(sampled: object) -> None:
    images = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    places = torch.rand(2, 4, 6, 2, dtype=torch.float64) * 5 - 2.5
    expected = grid_sample(images, places, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(sampled(images, places), expected)  # type: ignore[operator]


@pytest.mark.parametrize("sampled", [between_pixels, gathered])
def test_it_can_be_differentiated_twice(sampled: object) -> None:
    images = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    places = torch.rand(2, 3, 5, 2, dtype=torch.float64) * 4 - 2
    assert gradcheck(lambda x: sampled(x, places), images)  # type: ignore[operator]
    assert gradgradcheck(lambda x: sampled(x, places).square(), images)  # type: ignore[operator]
