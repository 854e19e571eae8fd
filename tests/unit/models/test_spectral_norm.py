from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from cgan_dist.models.spectral_norm import PowerIteration, SpectralNorm, spectral_norm


def layers(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 2), nn.Flatten(), nn.Linear(12, 1)).to(dtype)


def normalized(network: nn.Sequential, norm: object = spectral_norm) -> nn.Sequential:
    torch.manual_seed(1)
    for module in network:
        if isinstance(module, nn.Conv2d | nn.Linear):
            norm(module, "weight")  # type: ignore[operator]
    return network


def images(number: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(4, 2, 5, 5, dtype=dtype, generator=torch.Generator().manual_seed(number))


def vectors(network: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in network.buffers()]


def test_a_network_called_by_itself_does_as_torchs_parametrization() -> None:
    ours, theirs = normalized(layers()), normalized(layers(), parametrizations.spectral_norm)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for training in (True, True, False, True):
        for network in (ours.train(training), theirs.train(training)):
            (network(images()).sum() - network(images(1)).square().sum()).backward()
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter -= 0.01 * parameter.grad
        for mine, torchs in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, torchs.grad, rtol=1e-9, atol=1e-9)
            mine.grad = torchs.grad = None
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-9, atol=1e-9)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours.eval()(images()), theirs.eval()(images()), rtol=1e-12, atol=1e-12)


def test_derivatives_of_any_order() -> None:
    norm, weight = SpectralNorm(torch.randn(3, 2, 2, 2).double()).eval(), torch.randn(3, 2, 2, 2).double()
    assert torch.autograd.gradcheck(norm, weight.requires_grad_())
    assert torch.autograd.gradgradcheck(norm, weight)


def test_within_an_update_vectors_move_once_and_passes_share_the_weights() -> None:
    network = normalized(layers())
    power_iteration, twin, before = PowerIteration(network), copy.deepcopy(network), vectors(network)
    for module in twin:
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight  # noqa: B018  # moves its vectors once
    with power_iteration.once():
        assert network[0].weight is network[0].weight
        weight = network[0].weight.clone()
        (network(images()).sum() + network(images(1)).square().sum()).backward()
        assert torch.equal(network[0].weight, weight)
    moved = vectors(network)
    assert all(not torch.equal(one, other) for one, other in zip(moved[:4], before[:4], strict=True))
    torch.testing.assert_close(moved, vectors(twin))
    twin.eval()
    (twin(images()).sum() + twin(images(1)).square().sum()).backward()
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-9)
    network(images())
    assert not torch.equal(vectors(network)[0], moved[0])  # by itself again


def test_micro_batches_of_one_update_have_a_backward_pass_each() -> None:
    whole, parts = normalized(layers()), normalized(layers())
    with PowerIteration(whole).once():
        whole(images()).sum().backward()
    with PowerIteration(parts).once():
        for part in images().chunk(2):
            parts(part).sum().backward()
    for one, other in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(vectors(parts), vectors(whole))


def test_a_frozen_network_has_no_graph_and_gives_none_to_one_that_is_not() -> None:
    network, x = normalized(layers()), images().requires_grad_()
    with PowerIteration(network).once():
        network.requires_grad_(False)
        network(x).sum().backward()
        assert x.grad is not None
        assert not network[0].weight.requires_grad
        network.requires_grad_(True)
        network(x).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_penalty_on_gradients_shares_the_weights_too() -> None:
    grads = []
    for shared in (True, False):
        network = normalized(layers())
        with PowerIteration(network).once():
            if not shared:
                network.eval()
                for norm in network.modules():
                    if isinstance(norm, SpectralNorm):
                        norm.singular = norm.shared = None
            x = images().requires_grad_()
            (gradient,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
            (gradient.square().sum() + network(images(1)).sum()).backward()
        grads.append([parameter.grad for parameter in network.parameters() if parameter.grad is not None])
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-9, atol=1e-9)


def test_vectors_stay_as_they_are_in_eval_mode() -> None:
    network = normalized(layers()).eval()
    before = vectors(network)
    with PowerIteration(network).once():
        network(images())
    torch.testing.assert_close(vectors(network), before, rtol=0, atol=0)


def test_a_network_without_spectral_norm() -> None:
    with PowerIteration(layers()).once():
        pass


@pytest.mark.parametrize("training", [True, False])
def test_autocast_does_not_reach_the_norm(training: bool) -> None:
    network = normalized(layers(torch.float32)).train(training)
    twin = copy.deepcopy(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = network[0].weight
    assert torch.equal(within, twin[0].weight)


def test_weights_of_zero_stay_zero() -> None:
    linear = nn.Linear(3, 2)
    nn.init.zeros_(linear.weight)
    spectral_norm(linear)
    assert not linear.weight.any()
