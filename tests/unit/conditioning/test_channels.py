from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.channels import ChannelConv2d

CASES = list(itertools.product([1, 2], [3, 5], [True, False], [2, 10, 40]))


def conditions(width: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "index": torch.randint(0, width, (4,), generator=generator),
        "multi-hot": torch.randint(0, 2, (4, width), generator=generator).double(),
        "real": torch.randn(4, width, generator=generator, dtype=torch.float64),
    }


def both_forms(width: int, kernel_size: int, stride: int, same: bool) -> tuple[ChannelConv2d, ChannelConv2d]:
    torch.manual_seed(0)
    fused = ChannelConv2d(3, width, 6, (9, 8), kernel_size, stride, same).double()
    literal = ChannelConv2d(3, width, 6, (9, 8), kernel_size, stride, same, literal=True).double()
    literal.load_state_dict(fused.state_dict())
    return fused, literal


def r1_gradients(layer: ChannelConv2d, image: Tensor, condition: Tensor) -> list[Tensor]:
    """Values, first derivatives, and the parameters' derivatives of a squared image gradient, as R1 takes them."""
    image = image.clone().requires_grad_()
    output = layer(image, condition)
    (gradient,) = torch.autograd.grad(output.tanh().sum(), image, create_graph=True)
    loss = output.square().mean() + gradient.square().sum()
    loss.backward()
    assert layer.bias is not None
    return [output.detach(), gradient.detach(), image.grad, layer.weight.grad, layer.bias.grad]


@pytest.mark.parametrize(("stride", "kernel_size", "same", "width"), CASES)
@pytest.mark.parametrize("kind", ["index", "multi-hot", "real"])
def test_fused_equals_literal_to_the_second_derivative(
    stride: int, kernel_size: int, same: bool, width: int, kind: str
) -> None:
    fused, literal = both_forms(width, kernel_size, stride, same)
    image = torch.randn(4, 3, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for ours, theirs in zip(
        r1_gradients(fused, image, conditions(width)[kind]),
        r1_gradients(literal, image, conditions(width)[kind]),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_the_literal_form_is_a_convolution_over_one_hot_planes() -> None:
    _, literal = both_forms(10, 5, 2, same=True)
    label = torch.tensor([3])
    planes = torch.zeros(1, 10, 9, 8, dtype=torch.float64)
    planes[:, 3] = 1
    image = torch.randn(1, 3, 9, 8, dtype=torch.float64)
    stacked = torch.nn.functional.pad(torch.cat([image, planes], 1), literal.padding)
    expected = torch.nn.functional.conv2d(stacked, literal.weight, literal.bias, stride=2)
    torch.testing.assert_close(literal(image, label), expected)


def test_the_parameters_are_those_of_a_plain_convolution() -> None:
    layer = ChannelConv2d(3, 10, 6, (9, 8))
    plain = torch.nn.Conv2d(13, 6, 5)
    assert {k: v.shape for k, v in layer.state_dict().items()} == {k: v.shape for k, v in plain.state_dict().items()}
