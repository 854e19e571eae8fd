"""The training step with augmentation that adapts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cgan_dist.augment.adaptation import STATE
from cgan_dist.data.batch import Batch
from cgan_dist.training.step import TrainStep
from tests.unit.training.test_step import ConfigMaker, make_step, numbered_batches

TARGET = 0.1
ARGS = f"{{pipeline: bgcfnc, adaptation_images: 200, interval_images: 16, target: {TARGET}}}"
FAST = f"data.augment={{name: ada, args: {ARGS}}}"
NO_BATCH_NORM = ("generator.args.norm=none", "discriminator.args.norm=none")


def p_of(step: TrainStep) -> float:
    assert step.augment.adaptation is not None
    return step.augment.adaptation.probability.item()


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_p_follows_d_and_both_are_logged(make_config: ConfigMaker, monkeypatch: Any, loss: str) -> None:
    step = make_step(make_config(FAST, f"loss.adversarial={loss}", "train.plan=[D, D, G]", "train.batch_size=8"))
    assert step.augment.adaptation is not None
    assert step.objective.overfitting is not None
    assert p_of(step) == 0
    followed, follow = [], step.augment.adaptation.follow

    def watched(r: torch.Tensor, position: int, count: int) -> dict[str, torch.Tensor]:
        followed.append((r.item(), position, count))
        return follow(r, position, count)

    monkeypatch.setattr(step.augment.adaptation, "follow", watched)
    batches = numbered_batches()
    for iteration in range(4):
        step.iterate(batches, 16 * iteration)
    assert [line[1:] for line in followed] == [(8 * update, 8) for update in range(8)]
    means = step.meter.means()
    assert means["augment/r"] == pytest.approx(sum(line[0] for line in followed) / 8, abs=1e-6)
    assert step.meter.counts["augment/p"] == 8
    p = 0.0
    for first, second in zip(followed[::2], followed[1::2], strict=True):
        p = max(p + (1 if first[0] + second[0] > 2 * TARGET else -1) * 16 / 200, 0)
    assert p_of(step) == pytest.approx(p)
    assert p > 0


def test_without_it_nothing_is_measured(make_config: ConfigMaker) -> None:
    step = make_step(make_config("data.augment=[flip]"))
    step.iterate(numbered_batches(), 0)
    assert step.augment.adaptation is None
    assert step.objective.overfitting is None
    assert step.state() == {}
    assert not [name for name in step.meter.names if name.startswith("augment/")]


def test_its_state_is_taken_back_on_the_device(make_config: ConfigMaker) -> None:
    step = make_step(make_config("data.augment=ada", "loss.penalties={lecam: 0.1}"))
    saved = {STATE: torch.tensor([0.25, 3.0, 8.0])}
    step.restore(saved)
    assert p_of(step) == 0.25
    step.iterate(numbered_batches(), 0)
    assert set(step.state()) == {STATE, "lecam"}
    step.restore({})
    assert p_of(step) == 0


def test_settling_buckets_leaves_no_trace(make_config: ConfigMaker) -> None:
    step, other = make_step(make_config(FAST)), make_step(make_config(FAST))
    step.settle_buckets(next(numbered_batches()))
    for one in (step, other):
        one.restore({STATE: torch.tensor([0.5, 0.0, 0.0])})
        one.iterate(numbered_batches(), 0)
    assert torch.equal(step.state()[STATE], other.state()[STATE])
    torch.testing.assert_close(step.meter.means(), other.meter.means(), rtol=0, atol=0)


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_micro_batches_give_the_step_of_the_whole_batch(make_config: ConfigMaker, loss: str) -> None:
    options = (*NO_BATCH_NORM, FAST, f"loss.adversarial={loss}", "loss.penalties={r1: 1.0, r2: 0.5, gp: 0.1}")
    whole, parts = make_step(make_config(*options)), make_step(make_config(*options, "train.micro_batch=2"))
    assert (whole.rounds, parts.rounds) == (1, 4)
    images = (torch.arange(8 * 64) * 7 % 251).to(torch.uint8).view(8, 1, 8, 8)
    for step in (whole, parts):
        step.restore({STATE: torch.tensor([0.6, 0.0, 0.0])})
        for network in (step.raw_generator, step.raw_discriminator, step.ema.network):
            network.double()
        step.pixels = type("Doubles", (), {"normalize": lambda self, images, channels, draw: images.double() / 255})()
        step.draws._latents = lambda seed, position, phase: torch.sin(torch.arange(64).view(8, 8) + position).double()
        for iteration in range(3):
            step.iterate(iter([Batch(images, torch.arange(8) % 3)]), iteration * 8)
    for ours, theirs in zip(parts.raw_generator.parameters(), whole.raw_generator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)
    torch.testing.assert_close(parts.meter.means(), whole.meter.means(), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(parts.state(), whole.state(), rtol=0, atol=1e-6)
    assert p_of(whole) not in (0, pytest.approx(0.6))


def test_bad_logits_leave_p_where_it_was(make_config: ConfigMaker) -> None:
    step = make_step(make_config(FAST, *NO_BATCH_NORM))
    step.restore({STATE: torch.tensor([0.5, 8.0, 8.0])})
    with torch.no_grad():
        next(step.raw_discriminator.parameters()).fill_(float("nan"))
    step.iterate(numbered_batches(), 0)
    assert step.state()[STATE].tolist() == [0.5, 8.0, 8.0]
