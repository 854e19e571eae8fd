from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from cgan_dist.losses.convolution import Convolution, Geometry, Gradients


def geometry(
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    dilation: int = 1,
    groups: int = 1,
    output_padding: int = 0,
    transposed: bool = False,
) -> Geometry:
    return Geometry((stride,) * 2, padding, (dilation,) * 2, transposed, (output_padding,) * 2, groups)


CASES = {
    "1x1": (1, geometry()),
    "1x1, stride 2": (1, geometry(stride=2)),
    "2x2": (2, geometry(padding=(1, 0))),
    "3x3": (3, geometry(padding=(1, 1))),
    "3x3, two groups": (3, geometry(padding=(1, 1), groups=2)),
    "3x3, a group a channel": (3, geometry(padding=(1, 1), groups=4)),
    "3x3, dilated": (3, geometry(dilation=2, padding=(2, 1))),
    "4x4, stride 2, two groups": (4, geometry(stride=2, padding=(1, 2), groups=2)),
    "5x5, stride 2, larger than the map": (5, geometry(stride=2, padding=(2, 2))),
    "transposed": (3, geometry(transposed=True, padding=(1, 0))),
    "transposed, 5x5, stride 2": (5, geometry(transposed=True, stride=2, padding=(1, 2))),
    "transposed, output padding, two groups": (
        3,
        geometry(transposed=True, stride=2, padding=(1, 1), output_padding=1, groups=2),
    ),
}


def tensors(
    case: str, dtype: torch.dtype = torch.float64, memory: torch.memory_format = torch.contiguous_format
) -> tuple[Tensor, Tensor, Tensor]:
    """x, a weight, and a gradient of the output, all requiring grad."""
    kernel_size, how = CASES[case]
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5, 4, dtype=dtype)
    weight = torch.randn(4, 4 // how.groups, kernel_size, kernel_size, dtype=dtype)
    grad = torch.randn_like(torch.ops.aten.convolution(x, weight, None, *how))
    x, weight, grad = (tensor.contiguous(memory_format=memory).requires_grad_() for tensor in (x, weight, grad))
    return x, weight, grad


def pytorchs(how: Geometry) -> Callable[[Tensor, Tensor], Tensor]:
    if how.transposed:
        return lambda x, weight: F.conv_transpose2d(
            x, weight, None, how.stride, how.padding, how.output_padding, how.groups, how.dilation
        )
    return lambda x, weight: F.conv2d(x, weight, None, how.stride, how.padding, how.dilation, how.groups)


def check(function: Callable[..., Any], *given: Tensor) -> None:
    """Its derivative and that one's derivative are finite differences; the latter in one random direction."""
    assert gradcheck(function, given)
    assert gradgradcheck(function, given, fast_mode=True)


@pytest.mark.parametrize("case", CASES)
def test_first_to_third_derivatives_are_finite_differences(case: str) -> None:
    how, (x, weight, grad) = CASES[case][1], tensors(case)
    assert gradcheck(lambda x, weight: Convolution.apply(x, weight, how), (x, weight))
    check(lambda *given: Gradients.apply(*given, how, (True, True)), grad, x, weight)


def test_channels_may_be_innermost() -> None:
    how, given = CASES["3x3, two groups"][1], tensors("3x3, two groups", memory=torch.channels_last)
    check(lambda x, weight: Convolution.apply(x, weight, how), *given[:2])


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
@pytest.mark.parametrize("case", ["3x3, two groups", "transposed, output padding, two groups"])
def test_each_gradient_alone(case: str, wanted: tuple[bool, bool]) -> None:
    how, (x, weight, grad) = CASES[case][1], tensors(case)
    assert Gradients.apply(grad, x, weight, how, wanted)[wanted.index(False)] is None
    check(lambda *given: Gradients.apply(*given, how, wanted)[wanted.index(True)], grad, x, weight)


@pytest.mark.parametrize("frozen", ["grad", "x", "weight"])
def test_what_needs_no_gradient_gets_none(frozen: str) -> None:
    case = "3x3, two groups"
    given = dict(zip(("x", "weight", "grad"), tensors(case), strict=True))
    given[frozen].requires_grad_(False)
    at_x, at_weight = Gradients.apply(given["grad"], given["x"], given["weight"], CASES[case][1], (True, True))
    (at_x.square().sum() + at_weight.square().sum()).backward()
    assert {name for name, tensor in given.items() if tensor.grad is None} == {frozen}


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_pytorchs_to_the_last_bit(case: str) -> None:
    how, (x, weight, grad) = CASES[case][1], tensors(case, torch.float32)
    found, expected = Convolution.apply(x, weight, how), pytorchs(how)(x, weight)
    assert torch.equal(found, expected)
    both = (torch.autograd.grad(output, (x, weight), grad) for output in (found, expected))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*both, strict=True))
