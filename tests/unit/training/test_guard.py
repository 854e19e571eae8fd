from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cgan_dist.training.guard import KeptBuffers, spread_nonfinite


class Constants(nn.Module):
    """Buffers that are not floating, and one with nothing in it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("empty", torch.zeros(0))
        self.register_buffer("exact", torch.tensor([0.1], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        self.flags.logical_not_()
        self.exact += 1
        return x


def networks() -> list[nn.Module]:
    torch.manual_seed(0)
    G = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)).to(memory_format=torch.channels_last)
    D = nn.Sequential(spectral_norm(nn.Conv2d(3, 2, 3)), nn.BatchNorm2d(2), Constants())
    return [G, D]


def forward(G: nn.Module, D: nn.Module, factor: float = 1.0) -> None:
    D(G(torch.randn(4, 1, 8, 8) * factor))


def buffers(nets: list[nn.Module]) -> dict[str, Tensor]:
    return {f"{i}.{name}": value.clone() for i, net in enumerate(nets) for name, value in net.named_buffers()}


@pytest.mark.parametrize("factor", [math.nan, math.inf, 1e30, 1.0])
def test_a_bad_update_leaves_every_buffer_of_both_networks(factor: float) -> None:
    nets = networks()
    forward(*nets)
    kept, before = KeptBuffers(nets), buffers(nets)
    kept.keep()
    forward(*nets, factor)
    forward(*nets, factor)
    assert not torch.equal(buffers(nets)["0.1.running_mean"], before["0.1.running_mean"])
    kept.put_back(torch.tensor(1.0))
    after = buffers(nets)
    assert [name for name in before if not torch.equal(after[name], before[name])] == []


def test_a_good_update_moves_buffers_as_if_nobody_had_watched() -> None:
    watched, free = networks(), networks()
    kept = KeptBuffers(watched)
    for seed in range(3):
        kept.keep()
        for nets in (watched, free):
            torch.manual_seed(seed)
            forward(*nets)
        kept.put_back(torch.tensor(0.0))
    ours, theirs = buffers(watched), buffers(free)
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert ours["1.2.exact"].item() == free[1][2].exact.item() == 0.1 + 1 + 1 + 1


def test_networks_without_buffers_are_no_trouble() -> None:
    kept = KeptBuffers([nn.Linear(2, 2)])
    kept.keep()
    kept.put_back(torch.tensor(1.0))


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "wasserstein": lambda logits: -logits.mean(),
    "hinge": lambda logits: F.relu(1 - logits).mean(),
    "squares": lambda logits: (logits - 1).square().mean(),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_that_is_not_finite_has_gradients_that_are_not(loss: str) -> None:
    weight, images = torch.full((2,), -3e38, requires_grad=True), torch.full((4, 2), 1.0)
    value = LOSSES[loss](images @ weight)
    assert not value.isfinite()
    spread_nonfinite(value).backward()
    assert weight.grad is not None
    assert not weight.grad.isfinite().any()


def test_without_it_such_gradients_would_pass() -> None:
    weight = torch.full((2,), -3e38, requires_grad=True)
    LOSSES["hinge"](torch.ones(4, 2) @ weight).backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_finite_loss_keeps_its_value_and_its_gradients_bit_for_bit(loss: str) -> None:
    torch.manual_seed(0)
    images, weight = torch.randn(64, 5), torch.randn(5)
    plain, spread = weight.clone().requires_grad_(), weight.clone().requires_grad_()
    LOSSES[loss](images @ plain).backward()
    value = LOSSES[loss](images @ spread)
    passed = spread_nonfinite(value)
    assert torch.equal(passed, value)
    passed.backward()
    assert plain.grad is not None
    assert torch.equal(spread.grad, plain.grad)
