from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from cgan_dist.augment.color import Color

IMAGE = torch.tensor([[0.0, 0.25], [0.5, -0.25], [0.25, 0.75]]).view(1, 3, 1, 2)
"""Two pixels with channel means 0.25 and 0.25."""


def change(brightness: float, saturation: float, contrast: float, images: Tensor = IMAGE) -> list[float]:
    return Color().apply(images, torch.tensor([[brightness, saturation, contrast]])).flatten().tolist()


def test_one_half_changes_nothing() -> None:
    assert change(0.5, 0.5, 0.5) == IMAGE.flatten().tolist()


@pytest.mark.parametrize(("parameter", "added"), [(0.0, -0.5), (0.75, 0.25), (1.0, 0.5)])
def test_brightness_is_added(parameter: float, added: float) -> None:
    assert change(parameter, 0.5, 0.5) == (IMAGE + added).flatten().tolist()


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (0.0, [0.25, 0.25, 0.25, 0.25, 0.25, 0.25]),
        (0.25, [0.125, 0.25, 0.375, 0.0, 0.25, 0.5]),
        (1.0, [-0.25, 0.25, 0.75, -0.75, 0.25, 1.25]),
    ],
)
def test_saturation_scales_about_the_mean_of_a_pixel(parameter: float, expected: list[float]) -> None:
    assert change(0.5, parameter, 0.5) == expected


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [(0.0, [-0.375, 0.125, 0.375, 0.875]), (1.0, [-1.625, -0.125, 0.625, 2.125])],
)
def test_contrast_scales_about_the_mean_of_the_image(parameter: float, expected: list[float]) -> None:
    images = torch.tensor([-1.0, 0.0, 0.5, 1.5]).view(1, 1, 2, 2)  # mean 0.25
    assert change(0.5, 0.5, parameter, images) == expected
    assert change(0.5, 0.5, parameter, images.view(1, 4, 1, 1)) == expected  # of all channels together


def test_brightness_comes_first_so_contrast_does_not_scale_it() -> None:
    images = torch.tensor([0.0, 0.5]).view(1, 1, 1, 2)
    assert change(1.0, 0.5, 1.0, images) == [0.375, 1.125]  # 0.5 and 1.0 about 0.75, times 1.5


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_has_no_saturation(channels: int) -> None:
    images = torch.rand(1, 1, 4, 4).expand(1, channels, 4, 4)
    changed = Color().apply(images, torch.tensor([[0.5, 1.0, 0.5]]))
    torch.testing.assert_close(changed, images)


def test_each_image_has_its_own_change() -> None:
    parameters = torch.tensor([[0.5, 0.5, 0.5], [0.0, 1.0, 0.5], [1.0, 0.25, 1.0]])
    images = torch.randn(3, 3, 4, 2)
    changed = Color().apply(images, parameters)
    for number in range(3):
        alone = Color().apply(images[number : number + 1], parameters[number : number + 1])
        torch.testing.assert_close(changed[number : number + 1], alone)
    torch.testing.assert_close(changed[0], images[0])
    assert not torch.allclose(changed[1], images[1])


def test_draws_fill_the_unit_cube() -> None:
    drawn = Color().draw(5000, torch.Generator().manual_seed(0))
    assert drawn.shape == (5000, 3)
    assert drawn.min(0).values.max() < 0.01
    assert drawn.max(0).values.min() > 0.99
    assert torch.corrcoef(drawn.T).triu(1).abs().max() < 0.06  # 4 standard deviations


def test_gradients() -> None:
    images = torch.randn(2, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    parameters = torch.tensor([[0.1, 0.9, 0.3], [0.7, 0.2, 0.8]])
    assert gradcheck(lambda x: Color().apply(x, parameters), images)
    assert gradgradcheck(lambda x: Color().apply(x, parameters), images)


def test_bfloat16_is_rounded_once() -> None:
    images = (torch.rand(4, 3, 8, 8) * 2 - 1).bfloat16()
    parameters = Color().draw(4, torch.Generator().manual_seed(0))
    assert torch.equal(Color().apply(images, parameters), Color().apply(images.float(), parameters).bfloat16())
