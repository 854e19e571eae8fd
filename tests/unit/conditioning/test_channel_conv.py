from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cgan_dist.conditioning.channel_conv import ChannelConv2d
from cgan_dist.conditioning.condition import Condition, Layout
from tests.unit.conditioning.conditions import BATCH, layouts_and_conditions

CASES = list(itertools.product([1, 2], [1, 3, 4, 5], [True, False]))


def both_forms(layout: Layout, kernel_size: int, stride: int, same: bool) -> tuple[ChannelConv2d, ChannelConv2d]:
    torch.manual_seed(0)
    fused = ChannelConv2d(3, layout, 6, (9, 8), kernel_size, stride, same).double()
    literal = ChannelConv2d(3, layout, 6, (9, 8), kernel_size, stride, same, literal=True).double()
    nn.init.normal_(fused.bias)
    literal.load_state_dict(fused.state_dict())
    return fused, literal


def r1_gradients(layer: ChannelConv2d, image: Tensor, condition: Condition) -> list[Tensor]:
    """Values, first derivatives, and the parameters' derivatives of a squared image gradient, as R1 takes them."""
    image = image.clone().requires_grad_()
    output = layer(image, condition)
    (gradient,) = torch.autograd.grad(output.tanh().sum(), image, create_graph=True)
    loss = output.square().mean() + gradient.square().sum()
    loss.backward()
    assert layer.share is not None
    share = torch.cat([parameter.grad for parameter in layer.share.parameters()])
    return [output.detach(), gradient.detach(), image.grad, layer.image_weight.grad, layer.bias.grad, share]


@pytest.mark.parametrize("width", [2, 10, 40, 257])
@pytest.mark.parametrize("kind", ["classes", "multi-hot", "real", "product", "mixture of classes"])
@pytest.mark.parametrize(("stride", "kernel_size", "same"), CASES)
def test_fused_equals_literal_to_the_second_derivative(
    stride: int, kernel_size: int, same: bool, kind: str, width: int
) -> None:
    layout, condition = layouts_and_conditions(width)[kind]
    fused, literal = both_forms(layout, kernel_size, stride, same)
    image = torch.randn(BATCH, 3, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for ours, theirs in zip(
        r1_gradients(fused, image, condition), r1_gradients(literal, image, condition), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("kernel_size", "maps"), [(1, 2), (3, 3)])
def test_the_share_of_a_1x1_kernel_has_no_positions(kernel_size: int, maps: int) -> None:
    """Two maps are the convolution of the image and the sum; the third is the share of a larger kernel."""
    made: list[Tensor] = []

    class Made(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            made.append(out)
            return out

    layer = ChannelConv2d(3, Layout(classes=(10,)), 6, (9, 8), kernel_size, stride=1)
    with Made(), torch.no_grad():
        layer(torch.randn(2, 3, 9, 8), Condition.of_classes(torch.tensor([3, 7])))
    assert len({tensor.data_ptr() for tensor in made if tensor.numel() == 2 * 6 * 9 * 8}) == maps


def test_the_literal_form_is_a_convolution_over_one_hot_planes() -> None:
    _, literal = both_forms(Layout(classes=(10,)), 5, 2, same=True)
    planes = torch.zeros(1, 10, 9, 8, dtype=torch.float64)
    planes[:, 3] = 1
    image = torch.randn(1, 3, 9, 8, dtype=torch.float64)
    stacked = nn.functional.pad(torch.cat([image, planes], 1), literal.padding)
    expected = nn.functional.conv2d(stacked, literal.joined_weight(), literal.bias, stride=2)
    torch.testing.assert_close(
        literal(image, Condition(torch.tensor([[3]]), torch.empty(1, 0, dtype=torch.float64))), expected
    )


@pytest.mark.parametrize("layout", [Layout(), Layout(classes=(10,)), Layout(bits=10), Layout(classes=(4,), reals=6)])
def test_state_dicts_interchange_with_a_plain_convolution(layout: Layout) -> None:
    layer, plain = ChannelConv2d(3, layout, 6, (9, 8)), nn.Conv2d(3 + layout.width, 6, 5)
    layer.load_state_dict(plain.state_dict())
    assert torch.equal(layer.joined_weight(), plain.weight)
    nn.init.normal_(layer.image_weight)
    plain.load_state_dict(layer.state_dict())
    assert torch.equal(layer.joined_weight(), plain.weight)


def test_a_deep_copy_has_a_state_of_its_own() -> None:
    layer = ChannelConv2d(3, Layout(classes=(10,)), 6, (9, 8))
    twin = copy.deepcopy(layer)
    nn.init.zeros_(layer.image_weight)
    assert twin.state_dict()["weight"].any(dim=0)[:3].any()
    twin.load_state_dict(layer.state_dict())
    assert torch.equal(twin.joined_weight(), layer.joined_weight())


def test_without_a_condition_it_is_a_plain_convolution() -> None:
    layer, plain = ChannelConv2d(3, Layout(), 6, (9, 8), same=False), nn.Conv2d(3, 6, 5, stride=2)
    layer.load_state_dict(plain.state_dict())
    image = torch.randn(2, 3, 9, 8)
    nothing = Condition.of_values(torch.empty(2, 0))
    torch.testing.assert_close(layer(image, nothing), plain(image))
