"""A convolution that doubles, beside the two steps that it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cgan_dist.models.doubling_conv import DoublingConv2d


@pytest.mark.parametrize("size", [(8, 8), (2, 6)])
def test_it_is_a_doubling_and_a_convolution(size: tuple[int, int]) -> None:
    layer = DoublingConv2d(3, 5, size).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, size[0] // 2, size[1] // 2, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected)
    parameters = [x, layer.weight, layer.bias]
    weights = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), parameters) for out in (layer(x), expected))
    torch.testing.assert_close(ours, theirs)


def test_an_odd_size_is_cut_at_the_bottom_and_right() -> None:
    layer, whole = DoublingConv2d(3, 5, (7, 5)), DoublingConv2d(3, 5, (8, 6))
    whole.load_state_dict(layer.state_dict())
    x = torch.randn(2, 3, 4, 3)
    assert torch.equal(layer(x), whole(x)[:, :, :7, :5])


def test_inside_a_plain_picture_stays_plain() -> None:
    """What a transposed convolution with 5x5 kernels makes a checkerboard of."""
    layer = DoublingConv2d(3, 5, (16, 16))
    inside = layer(torch.ones(1, 3, 8, 8))[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inside, inside[:, :, :1, :1].expand_as(inside))
