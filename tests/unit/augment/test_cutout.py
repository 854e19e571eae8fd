from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cgan_dist.augment.cutout import Cutout, covered


@pytest.mark.parametrize(
    ("size", "centre", "expected"),
    [
        (4, 0.0, [1, 0, 0, 0]),  # of an even length 2: five edges to be centred on
        (4, 0.2, [1, 1, 0, 0]),
        (4, 0.5, [0, 1, 1, 0]),
        (4, 0.7, [0, 0, 1, 1]),
        (4, 1 - 2**-24, [0, 0, 0, 1]),
        (6, 0.0, [1, 1, 0, 0, 0, 0]),  # of an odd length 3: six pixels to be centred on
        (6, 0.4, [0, 1, 1, 1, 0, 0]),
        (6, 1 - 2**-24, [0, 0, 0, 0, 1, 1]),
        (5, 0.5, [0, 1, 1, 1, 0]),
    ],
)
def test_the_window_is_half_a_side_about_its_centre(size: int, centre: float, expected: list[int]) -> None:
    assert covered(size, torch.tensor([centre])).int().tolist() == [expected]


def test_each_image_loses_its_own_window_in_all_channels() -> None:
    images = torch.ones(2, 3, 4, 6)
    cut = Cutout().apply(images, torch.tensor([[0.0, 0.4], [0.5, 0.99]]))
    first = torch.tensor([[1, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    second = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    assert torch.equal(cut, torch.stack([first, second])[:, None].expand(2, 3, 4, 6).float())
    assert torch.equal(images, torch.ones(2, 3, 4, 6))


def test_every_centre_is_equally_likely_and_no_pixel_is_safe() -> None:
    parameters = Cutout().draw(9000, torch.Generator().manual_seed(0))
    cut = Cutout().apply(torch.ones(9000, 1, 8, 6), parameters)[:, 0] == 0
    for rows_or_columns, kinds in ((cut.any(2), 9), (cut.any(1), 6)):
        counts = rows_or_columns.int().unique(dim=0, return_counts=True)[1] / (9000 / kinds)
        assert len(counts) == kinds
        assert counts.min() > 0.85
        assert counts.max() < 1.15
    assert len(cut.flatten(1).int().unique(dim=0)) == 54  # rows and columns are drawn independently
    assert cut.any(0).all()


def test_gradients() -> None:
    images = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    parameters = torch.tensor([[0.0, 0.99], [0.5, 0.3]])
    assert gradcheck(lambda x: Cutout().apply(x, parameters), images)
    assert gradgradcheck(lambda x: Cutout().apply(x, parameters), images)
    cut = Cutout().apply(images, parameters)
    (gradient,) = torch.autograd.grad(cut.sum(), images)
    assert torch.equal(gradient, (cut != 0).double())
    assert 0 < gradient.mean().item() < 1
