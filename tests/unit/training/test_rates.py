from __future__ import annotations

import pytest
import torch
from torch import nn

from cgan_dist.config.document import parse_config
from cgan_dist.config.training import OptimConfig
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.errors import UserError
from cgan_dist.training.optimizer import NetworkOptimizer
from cgan_dist.training.rates import by_part, check_parts, rate_at


def optim(**values: object) -> OptimConfig:
    return parse_config({"data": {"path": "x"}, "optim": values}, "test").optim


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"mapping": nn.Linear(3, 3), "map": nn.Linear(3, 3), "last": nn.Linear(3, 1)})


def updated(net: nn.Module, config: OptimConfig, updates: int = 3, scale: float = 1.0) -> NetworkOptimizer:
    optimizer = NetworkOptimizer(build_accelerator("no"), net, config, [])
    for number in range(updates):
        (scale * sum(parameter.square().sum() for parameter in net.parameters())).backward()
        optimizer.step(number)
    return optimizer


def test_the_rate_rises_from_nothing_and_then_follows_its_schedule() -> None:
    schedule = {"start": 0.1, "end": 0.2, "begin_images": 100, "end_images": 200, "shape": "linear"}
    rates = [rate_at(optim(lr=schedule, warmup_images=50), images) for images in (0, 25, 50, 100, 150, 300)]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.1, 0.15, 0.2])
    assert rate_at(optim(lr=0.1), 0) == 0.1


def test_the_longest_part_counts_and_parts_end_at_dots() -> None:
    net = network()
    parts = by_part(net, net.parameters(), {"map": 0.5, "mapping": 0.1, "mapping.bias": 0.0})
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    assert {part: [names[id(p)] for p in found] for part, found in parts.items()} == {
        "": ["last.weight", "last.bias"],
        "map": ["map.weight", "map.bias"],
        "mapping": ["mapping.weight"],
        "mapping.bias": ["mapping.bias"],
    }


def test_parts_move_at_their_own_rate() -> None:
    net, start = network(), network()
    updated(net, optim(lr=0.01, multipliers={"map": 0.1, "mapping": 0.0}), updates=1)
    before = start.state_dict()
    moved = {name: (weight - before[name]).abs().max().item() for name, weight in net.state_dict().items()}
    assert moved["mapping.weight"] == 0
    assert moved["map.weight"] == pytest.approx(0.001, rel=1e-3)  # Adam's first step is its rate
    assert moved["last.weight"] == pytest.approx(0.01, rel=1e-3)


def test_a_part_that_is_in_neither_network_is_named() -> None:
    nets = {"generator": network(), "discriminator": nn.ModuleDict({"entry": nn.Linear(2, 2)})}
    check_parts(optim(multipliers={"entry": 0.1, "mapping": 0.1}), nets)
    with pytest.raises(UserError, match=r"optim.multipliers.mappin: no weight .* Did you mean 'mapping'"):
        check_parts(optim(multipliers={"mappin": 0.1}), nets)
    with pytest.raises(UserError, match=r"optim.discriminator.multipliers.mapping: no weight of the discriminator"):
        check_parts(optim(discriminator={"multipliers": {"mapping": 0.1}}), nets)


def test_one_network_takes_what_it_leaves_out_from_both() -> None:
    shared = {"weight_decay": 0.1, "clip_norm": 2.0, "warmup_images": 5, "multipliers": {"map": 0.1}}
    found = optim(**shared, generator={"lr": 0.5}).generator
    assert found is not None
    assert {key: getattr(found, key) for key in shared} == shared


def test_decay_is_that_of_adamw() -> None:
    ours, theirs = network(), network()
    updated(ours, optim(lr=0.01, betas=[0.5, 0.9], weight_decay=0.3))
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.5, 0.9), weight_decay=0.3, fused=True)
    for _ in range(3):
        reference.zero_grad()
        sum(parameter.square().sum() for parameter in theirs.parameters()).backward()
        reference.step()
    assert all(torch.equal(p, q) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_long_gradient_is_clipped_as_by_torch_and_a_short_one_is_not() -> None:
    ours, theirs = network(), network()
    optimizer = updated(ours, optim(lr=0.01, clip_norm=0.5), scale=3.0)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01, betas=(0.5, 0.999), fused=True)
    for _ in range(3):
        reference.zero_grad()
        (3.0 * sum(parameter.square().sum() for parameter in theirs.parameters())).backward()
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        reference.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    torch.testing.assert_close(optimizer.gradient_norm, norm)  # the log has what it was
    short, plain = network(), network()
    updated(short, optim(lr=0.01, clip_norm=1e6))
    updated(plain, optim(lr=0.01))
    assert all(torch.equal(p, q) for p, q in zip(short.parameters(), plain.parameters(), strict=True))


def test_going_on_with_parts_and_decay_equals_never_having_stopped() -> None:
    config = optim(lr=0.01, weight_decay=0.1, clip_norm=1.0, multipliers={"map": 0.1}, warmup_images=2)
    straight, resumed = network(), network()
    updated(straight, config, updates=6)
    saved = updated(resumed, config, updates=3).state()
    optimizer = NetworkOptimizer(build_accelerator("no"), resumed, config, [])
    for name, state in saved.items():
        optimizer.restore(name, state)
    for number in range(3, 6):
        sum(parameter.square().sum() for parameter in resumed.parameters()).backward()
        optimizer.step(number)
    assert all(torch.equal(p, q) for p, q in zip(straight.parameters(), resumed.parameters(), strict=True))


def test_a_wider_network_moves_less() -> None:
    moved = []
    for width in (None, 2, 4):
        net = network()
        if width is not None:
            net.width = width
        before = net.state_dict()["last.weight"].clone()
        aware = {} if width is None else {"width_aware": 2}
        updated(net, optim(lr=0.01, multipliers={"map": 0.1}, **aware), updates=1)
        moved.append((net.state_dict()["last.weight"] - before).abs().max().item())
    assert moved == pytest.approx([0.01, 0.01, 0.005], rel=1e-3)


def test_a_network_without_a_width_is_refused_before_training() -> None:
    with pytest.raises(UserError, match=r"optim\.width_aware: .*ModuleDict does not say its width"):
        check_parts(optim(width_aware=768), {"generator": network(), "discriminator": network()})
