from __future__ import annotations

import pytest
import torch

from cgan_dist.errors import UserError
from cgan_dist.models.scales import double, halve, scale_sizes, scale_widths


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((28, 28), [(28, 28), (14, 14), (7, 7), (4, 4)]),
        ((31, 17), [(31, 17), (16, 9), (8, 5), (4, 3)]),
        ((48, 64), [(48, 64), (24, 32), (12, 16), (6, 8), (3, 4)]),
        ((8, 40), [(8, 40), (4, 20), (2, 10), (1, 5), (1, 3)]),
    ],
)
def test_sizes_halve_up_to_four_pixels(size: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    assert scale_sizes(size, 8, "generator.args") == sizes


@pytest.mark.parametrize("size", [(7, 32), (32, 7)])
def test_small_images_are_refused_with_a_way_out(size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=rf"generator\.args: .*{size[0]}x{size[1]}.*8x8.*'dcgan' as generator\.name"):
        scale_sizes(size, 8, "generator.args")


def test_widths_double_up_to_the_most() -> None:
    assert scale_widths(64, 1024, 6, "generator.args") == [64, 128, 256, 512, 1024, 1024]  # SNGAN for 128 pixels
    assert scale_widths(256, 256, 4, "generator.args") == [256] * 4  # SNGAN for CIFAR-10
    assert scale_widths(48, 100, 3, "generator.args") == [48, 96, 100]
    with pytest.raises(UserError, match=r"generator\.args\.width: found 0"):
        scale_widths(0, 8, 3, "generator.args")
    with pytest.raises(UserError, match=r"discriminator\.args\.max_width: found 8, less than the 16"):
        scale_widths(16, 8, 3, "discriminator.args")


def test_halving_averages_squares_and_what_is_left_of_an_odd_side() -> None:
    image = torch.arange(15.0).view(1, 1, 3, 5)
    expected = torch.tensor([[(0 + 1 + 5 + 6) / 4, (2 + 3 + 7 + 8) / 4, (4 + 9) / 2], [10.5, 12.5, 14.0]])
    torch.testing.assert_close(halve(image)[0, 0], expected)


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (1, 9), (1, 1)])
def test_nearest_doubling_is_the_mirror_of_halving(size: tuple[int, int]) -> None:
    small = torch.randn(2, 3, -(-size[0] // 2), -(-size[1] // 2))
    large = double(small, size, "nearest")
    assert large.shape == (2, 3, *size)
    torch.testing.assert_close(halve(large), small)


def test_even_halving_is_bilinear_interpolation() -> None:
    image = torch.randn(2, 3, 6, 8)
    bilinear = torch.nn.functional.interpolate(image, (3, 4), mode="bilinear")
    torch.testing.assert_close(halve(image), bilinear)


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_bilinear_doubling_keeps_a_slope(size: tuple[int, int]) -> None:
    middles = torch.arange(-(-size[1] // 2)) * 2 + 0.5  # of the pairs of columns, where a linear picture is known
    large = double(middles.expand(1, 1, -(-size[0] // 2), -1), size, "bilinear")
    assert large.shape == (1, 1, *size)
    inner = torch.arange(1.0, size[1] - 1)  # the outermost columns lie beyond the outermost middles
    torch.testing.assert_close(large[0, 0, :, 1:-1], inner.expand(size[0], -1))


@pytest.mark.parametrize("size", [(4, 6), (5, 3)])
def test_both_steps_have_second_derivatives(size: tuple[int, int]) -> None:
    large = torch.randn(1, 2, *size, dtype=torch.float64, requires_grad=True)
    small = torch.randn_like(halve(large).detach(), requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: halve(x).pow(3), large)
    assert torch.autograd.gradgradcheck(lambda x: double(x, size, "bilinear").pow(3), small)
    assert torch.autograd.gradgradcheck(lambda x: double(x, size, "nearest").pow(3), small)
