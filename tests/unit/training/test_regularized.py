"""Consistency regularization and top-k in a step: who is shown what, and that nothing depends on how it is divided."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cgan_dist.augment.flip import Flip
from cgan_dist.data.batch import Batch
from cgan_dist.losses.consistency_regularization import AUGMENTED
from cgan_dist.training.step import NEARBY, TrainStep
from tests.unit.training.test_levels import D, G, watched
from tests.unit.training.test_step import NO_BATCH_NORM, ConfigMaker, make_step, numbered_batches

PENALTIES = "loss.penalties={bcr_real: 10, bcr_fake: 10, zcr_d: 5, zcr_g: 0.5}"
TOP_K = "loss.top_k={start: 1, end: 0.5, end_images: 16, shape: linear}"
PLAN = "train.plan=[D, G]"
RAMP = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).repeat(8, 1, 1, 1)


def ramps() -> Batch:
    """Images that every flip and every shift changes."""
    return Batch(RAMP, torch.arange(8) % 3)


def calls_of(step: TrainStep, network: str) -> list[Tensor]:
    """What a raw network is called with from now on."""
    seen: list[Tensor] = []
    module = getattr(step, f"raw_{network}")
    module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    return seen


def test_none_of_it_is_there_unless_asked_for(make_config: ConfigMaker) -> None:
    step = make_step(make_config(PLAN))
    zs, images = calls_of(step, "generator"), calls_of(step, "discriminator")
    step.iterate(numbered_batches(), 0)
    assert (len(zs), len(images)) == (2, 3)
    drawn = step.draws.take(0, 0, 0)
    assert not drawn.twins
    assert not drawn.noise
    assert not any(name.startswith("penalty/") for name in step.meter.means())


def test_d_sees_twins_beside_what_it_sees(make_config: ConfigMaker) -> None:
    """By another draw for reals and fakes, and by the augmentation of what they are twins of."""
    step = make_step(make_config(PLAN, PENALTIES, "data.augment=[color]", "loss.bcr_augment=[flip, translation]"))
    (micro,) = step._micro_batches(ramps(), 0, 0)
    assert set(micro.twins) == {"bcr_real", "bcr_fake"}
    twins = {name: micro.twins[name](micro.real) for name in AUGMENTED}
    assert not torch.equal(twins["bcr_real"], twins["bcr_fake"])
    assert not torch.equal(twins["bcr_real"], micro.real)
    seen, made = calls_of(step, "discriminator"), list[Tensor]()
    step.raw_generator.register_forward_hook(lambda _, given, images: made.append(images))
    step.discriminator_step([micro], 0)
    fake, near = made
    expected = {
        "real": micro.view_real(micro.real),
        "fake": micro.view_fake(fake),
        "bcr_real": micro.view_real(twins["bcr_real"]),
        "bcr_fake": micro.view_fake(micro.twins["bcr_fake"](fake)),
        "zcr_d": micro.view_fake(near),
    }
    assert all(torch.equal(*pair) for pair in zip(seen, expected.values(), strict=True))


def test_nearby_z_are_those_of_the_config_and_drawn_for_each_phase(make_config: ConfigMaker) -> None:
    step = make_step(make_config(PLAN, PENALTIES, "loss.zcr_noise=0.25", "train.share_z=true"))
    zs = calls_of(step, "generator")
    step.iterate(numbered_batches(), 0)
    of_d, near_d, of_g, near_g = zs
    assert torch.equal(of_d, of_g)
    assert not torch.equal(near_d, near_g)
    for phase, (z, near) in enumerate(((of_d, near_d), (of_g, near_g))):
        assert torch.equal(near, z + 0.25 * step.draws.take(0, 0, phase).noise[NEARBY])


def test_what_weighs_nothing_now_costs_no_pass(make_config: ConfigMaker) -> None:
    later = "{start: 0, end: 1, end_images: 8, shape: step}"
    penalties = ", ".join(f"{name}: {later}" for name in (*AUGMENTED, "zcr_d", "zcr_g"))
    step, batches = make_step(make_config(PLAN, f"loss.penalties={{{penalties}}}")), numbered_batches()
    zs, images = calls_of(step, "generator"), calls_of(step, "discriminator")
    step.iterate(batches, 0)
    assert (len(zs), len(images)) == (2, 3)
    step.iterate(batches, 8)
    assert (len(zs), len(images)) == (2 + 4, 3 + 6)


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
@pytest.mark.parametrize("micro", [2, 4])
def test_micro_batches_give_the_step_of_the_whole_batch(make_config: ConfigMaker, loss: str, micro: int) -> None:
    """The best of G's fakes are those of the whole batch, and their number changes from step to step."""
    overrides = [*NO_BATCH_NORM, f"loss.adversarial={loss}", PENALTIES, TOP_K, PLAN, "loss.penalties.r1=0.1"]
    found = []
    for options in ([], [f"train.micro_batch={micro}"]):
        step = in_doubles(make_step(make_config(*overrides, *options)))
        for iteration in range(3):
            step.iterate(iter([ramps()]), iteration * 8)
        found.append((step.raw_generator.state_dict(), step.raw_discriminator.state_dict(), step.meter.means()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-7, atol=1e-7)


def in_doubles(step: TrainStep) -> TrainStep:
    for network in (step.raw_generator, step.raw_discriminator, step.ema.network):
        network.double()
    normalize = lambda self, images, channels, draw: images.double() / 255  # noqa: E731
    step.pixels = type("Doubles", (), {"normalize": normalize})()
    step.draws._latents = lambda seed, position, phase: torch.sin(torch.arange(64).view(8, 8) + position).double()  # type: ignore[method-assign]
    return step


def test_only_the_best_of_a_batch_move_g(make_config: ConfigMaker) -> None:
    step = make_step(make_config(*NO_BATCH_NORM, "loss.top_k=0.25", PLAN))
    logits: list[Tensor] = []
    step.raw_discriminator.register_forward_hook(lambda _, given, judged: logits.append(judged.logits))
    fakes: list[Tensor] = []
    step.raw_generator.register_forward_hook(lambda _, given, images: fakes.append(images.retain_grad() or images))
    step.generator_step(step._micro_batches(ramps(), 0, 1), 0)
    (found,), (images,) = logits, fakes
    assert images.grad is not None
    moved = images.grad.flatten(1).abs().amax(1) > 0
    assert moved.nonzero().flatten().tolist() == sorted(found.topk(2).indices.tolist())


@pytest.mark.parametrize("apart", ["false", "true"])
def test_levels_are_changed_alike_and_ranked_by_picture(make_config: ConfigMaker, apart: str) -> None:
    ways = "conditioning={labels: classes, generator: [embedding], discriminator: [projection]}"
    rest = [f"discriminator.args.apart={apart}", "loss.guidance=true", PENALTIES, "loss.top_k=0.5", PLAN, ways]
    step = make_step(make_config(G, D, *rest))
    (micro,) = step._micro_batches(ramps(), 0, 0)
    twin = micro.twins["bcr_real"](micro.real)
    assert torch.equal(twin[:, 0], twin[:, 1])
    assert not torch.equal(twin, micro.real)
    seen = watched(step)
    step.iterate(iter([ramps()]), 0)
    assert {images.shape[1:] for images in seen} == {(2, 8, 8)}
    assert all(value.isfinite() for value in step.meter.means().values())


def test_the_same_step_at_the_same_place_has_the_same_bits(make_config: ConfigMaker) -> None:
    """Nothing is remembered from one update to the next but by the clock."""
    found: list[dict[str, Any]] = []
    for begun in (False, True):
        step = make_step(make_config(PENALTIES, TOP_K, PLAN, "train.micro_batch=4"))
        if begun:  # as a run that was never stopped
            step.draws.take(0, 64, 0)
            step._micro_batches(ramps(), 80, 1)
        step.iterate(iter([ramps()]), 8)
        found.append(dict(step.raw_generator.state_dict()))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)
    assert step.objective.state() == {}


def test_an_augmentation_of_ones_own(make_config: ConfigMaker) -> None:
    step = make_step(make_config("loss.penalties={bcr_real: 1}", "loss.bcr_augment=['cgan_dist.augment.flip:Flip']"))
    assert isinstance(next(iter(step.bcr_augment.augmentations.values())), Flip)
