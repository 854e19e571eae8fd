"""In one process it is torch's batch norm; tests/distributed/test_batch_norm.py has it over ranks."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.models.global_batch_norm import GlobalBatchNorm, convert_batch_norm_


def pair(channels: int = 3, **args: Any) -> tuple[nn.Module, nn.Module]:
    """torch's layer and ours, with the same parameters and buffers, in float64."""
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(channels, dtype=torch.float64, **args)
    for tensor in (*plain.parameters(), *plain.buffers()):
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 2)
    ours = nn.Sequential(copy.deepcopy(plain))
    convert_batch_norm_(ours)
    assert type(ours[0]) is GlobalBatchNorm
    return plain, ours[0]


def derivatives(norm: nn.Module, features: Tensor) -> list[Tensor]:
    """Output, gradients, and gradients of a gradient's size, as a penalty takes them."""
    features = features.clone().requires_grad_()
    out = norm(features)
    (gradient,) = torch.autograd.grad(out.sigmoid().square().sum(), features, create_graph=True)
    found = [out, gradient]
    wanted = [features, *norm.parameters()]
    found += torch.autograd.grad(out.sin().sum(), wanted, retain_graph=True)
    return found + list(torch.autograd.grad(gradient.square().sum(), wanted, allow_unused=True))


@pytest.mark.parametrize("args", [{}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}])
@pytest.mark.parametrize("training", [True, False])
def test_in_one_process_it_is_torchs(args: dict[str, Any], training: bool) -> None:
    plain, ours = (norm.train(training) for norm in pair(**args))
    for number in range(3):
        features = torch.randn(4, 3, 5, 2, dtype=torch.float64) * (number + 1) + number
        for mine, theirs in zip(derivatives(ours, features), derivatives(plain, features), strict=True):
            assert (mine is None) == (theirs is None)
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(ours.state_dict(), plain.state_dict(), rtol=1e-12, atol=1e-12)
    assert list(ours.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 2, 3, 2)])
def test_any_number_of_dimensions(shape: tuple[int, ...]) -> None:
    layer = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 5: nn.BatchNorm3d}[len(shape)](3)
    ours = nn.Sequential(copy.deepcopy(layer))
    convert_batch_norm_(ours)
    features = torch.randn(shape)
    torch.testing.assert_close(ours(features), layer(features))


def test_derivatives_of_any_order() -> None:
    _, ours = pair(2, track_running_stats=False)
    features = torch.randn(3, 2, 2, 1, dtype=torch.float64, requires_grad=True)
    wanted = (features, *ours.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: ours(x), wanted)
    assert torch.autograd.gradgradcheck(lambda x, *_: ours(x), wanted)
    (first,) = torch.autograd.grad(ours(features).pow(3).sum(), features, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), features, create_graph=True)
    (third,) = torch.autograd.grad(second.square().sum(), features)
    assert third.isfinite().all()
    assert third.any()


def test_only_what_wants_a_gradient_gets_one() -> None:
    plain, ours = pair()
    for norm in (plain, ours):
        norm.weight.requires_grad_(False)
    features = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    grads = []
    for norm in (plain, ours):
        norm(features).sin().sum().backward()
        assert norm.weight.grad is None
        grads.append(norm.bias.grad)
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("mean", [1e2, 1e4])
def test_a_mean_far_from_zero_costs_no_accuracy(mean: float) -> None:
    """In float32 a plain sum of squares would lose a variance of 1 beside a mean of 10,000."""
    _, ours = pair()
    features = torch.randn(64, 3, 4, 4, dtype=torch.float64) + mean
    gradient = torch.randn_like(features)
    found = []
    for dtype in (torch.float64, torch.float32):
        x = features.float().to(dtype).requires_grad_()
        out = copy.deepcopy(ours).to(dtype)(x)
        out.backward(gradient.to(dtype))
        found.append((out.detach().double(), x.grad.double()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=mean * 3e-7)


def test_bf16_features_have_float32_statistics() -> None:
    _, ours = pair()
    ours.float().requires_grad_()
    plain = nn.BatchNorm2d(3)
    plain.load_state_dict(ours.state_dict())
    features = (torch.randn(16, 3, 8, 8) + 5).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, theirs = ours(features), plain(features)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, theirs)
    assert ours.running_mean.dtype == torch.float32
    torch.testing.assert_close(ours.running_var, plain.running_var)
    (gradient,) = torch.autograd.grad(out.float().square().sum(), features, create_graph=True)
    assert gradient.dtype == torch.bfloat16
    (second,) = torch.autograd.grad(gradient.float().square().sum(), ours.weight)
    assert second.isfinite().all()


def test_one_value_of_a_channel_cannot_be_normalized() -> None:
    norm = GlobalBatchNorm(3)
    with pytest.raises(ValueError, match=r"more than one value of each channel; found \(1, 3\)"):
        norm(torch.randn(1, 3))
    norm.eval()(torch.randn(1, 3))


class Conditional(nn.BatchNorm2d):
    """A plug-in's, which does more than torch's."""


def test_what_is_converted() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.BatchNorm2d(3)), Conditional(3), nn.InstanceNorm2d(3))
    before = list(map(id, (*network.parameters(), *network.buffers())))
    convert_batch_norm_(network)
    assert [type(network[0]), type(network[1][0])] == [GlobalBatchNorm] * 2
    assert [type(network[2]), type(network[3])] == [Conditional, nn.InstanceNorm2d]
    assert list(map(id, (*network.parameters(), *network.buffers()))) == before
    convert_batch_norm_(alone := nn.BatchNorm2d(3))
    assert type(alone) is GlobalBatchNorm
