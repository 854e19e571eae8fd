from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cgan_dist.augment.translation import Translation, shift


def fraction(offset: int, largest: int) -> float:
    """The middle of the interval that stands for `offset`."""
    return (offset + largest + 0.5) / (2 * largest + 1)


def centre_positions(height: int, width: int, parameters: torch.Tensor) -> torch.Tensor:
    """Shifts images with one bright pixel in the middle; returns (B, 2), how far it went down and right."""
    images = torch.zeros(len(parameters), 1, height, width)
    images[:, :, height // 2, width // 2] = 1
    found = Translation().apply(images, parameters).nonzero()
    assert found[:, 0].tolist() == list(range(len(parameters)))  # the pixel is there, once in each image
    return found[:, 2:] - torch.tensor([height // 2, width // 2])


@pytest.mark.parametrize(
    ("down", "right", "expected"),
    [
        (0, 0, [[1, 2, 3, 4], [5, 6, 7, 8]]),
        (1, 0, [[0, 0, 0, 0], [1, 2, 3, 4]]),
        (-1, 0, [[5, 6, 7, 8], [0, 0, 0, 0]]),
        (0, 1, [[0, 1, 2, 3], [0, 5, 6, 7]]),
        (0, -3, [[4, 0, 0, 0], [8, 0, 0, 0]]),
        (1, 2, [[0, 0, 0, 0], [0, 0, 1, 2]]),
        (2, 0, [[0, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_what_is_moved_out_is_lost_and_zero_moves_in(down: int, right: int, expected: list[list[int]]) -> None:
    images = torch.arange(1.0, 9.0).view(1, 1, 2, 4)
    shifted = shift(shift(images, torch.tensor([down]), 2), torch.tensor([right]), 3)
    assert shifted[0, 0].tolist() == expected


def test_each_image_has_its_own_shift_and_its_channels_move_together() -> None:
    images = torch.arange(1.0, 1 + 2 * 3 * 8 * 16).view(2, 3, 8, 16)
    parameters = torch.tensor([[fraction(1, 1), fraction(-2, 2)], [fraction(-1, 1), fraction(1, 2)]])
    shifted = Translation().apply(images, parameters)
    expected = torch.zeros_like(images)
    expected[0, :, 1:, :-2] = images[0, :, :-1, 2:]
    expected[1, :, :-1, 1:] = images[1, :, 1:, :-1]
    assert torch.equal(shifted, expected)


def test_every_shift_up_to_an_eighth_is_equally_likely() -> None:
    parameters = Translation().draw(6000, torch.Generator().manual_seed(0))
    moved = centre_positions(16, 28, parameters)  # an eighth of 28 is 3.5, rounded to 4
    assert set(moved[:, 0].tolist()) == set(range(-2, 3))
    assert set(moved[:, 1].tolist()) == set(range(-4, 5))
    for column, kinds in ((0, 5), (1, 9)):
        counts = moved[:, column].unique(return_counts=True)[1] / (6000 / kinds)
        assert counts.min() > 0.85
        assert counts.max() < 1.15
    both = moved[:, 0] * 9 + moved[:, 1]
    assert len(both.unique()) == 45  # rows and columns are drawn independently


def test_the_ends_of_the_parameters_are_the_largest_shifts() -> None:
    end = 1 - 2**-24  # the largest float32 that torch.rand gives
    moved = centre_positions(32, 20, torch.tensor([[0.0, 0.0], [end, end]]))
    assert moved.tolist() == [[-4, -3], [4, 3]]  # 20 / 8 = 2.5: halves up


def test_a_side_below_four_pixels_is_never_shifted() -> None:
    images = torch.randn(2, 1, 3, 2)
    assert torch.equal(Translation().apply(images, torch.tensor([[0.0, 0.99], [0.99, 0.0]])), images)


def test_gradients() -> None:
    images = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    parameters = torch.tensor([[0.0, 0.99], [0.5, 0.0]])
    assert gradcheck(lambda x: Translation().apply(x, parameters), images)
    assert gradgradcheck(lambda x: Translation().apply(x, parameters), images)
    (gradient,) = torch.autograd.grad(Translation().apply(images, parameters).sum(), images)
    expected = torch.ones_like(images)
    expected[0, :, 0], expected[0, :, :, -1], expected[1, :, :, 0] = 0, 0, 0  # moved out: no gradient
    assert torch.equal(gradient, expected)
