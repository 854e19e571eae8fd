"""Levels in training: who sees what, what is drawn, and that nothing depends on how the batch is divided."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.augment.base import Pipeline
from cgan_dist.augment.color import Color
from cgan_dist.augment.flip import Flip
from cgan_dist.errors import UserError
from cgan_dist.losses.levels import guided
from cgan_dist.training.levels import Levels, levels_of
from cgan_dist.training.step import TrainStep
from tests.unit.training.test_step import ConfigMaker, make_step, numbered_batches

G = "generator={name: transformer, latent_dim: 8, args: {width: 8, depth: 2, heads: 1, patch: 4, levels: 2}}"
D = "discriminator={name: transformer, args: {width: 8, depth: 1, heads: 1, patch: 4, levels: 2}}"
OBJECTIVE = "loss={adversarial: relativistic, guidance: true, consistency: 0.5, penalties: {r1_approximate: 0.1}}"
WAYS = "conditioning={labels: classes, generator: [embedding], discriminator: [projection]}"
ALL = [G, D, OBJECTIVE, WAYS, "data.augment=[flip, color]"]


class Named(nn.Module):
    def __init__(self, levels: int | None = None) -> None:
        super().__init__()
        if levels is not None:
            self.levels = levels


def watched(step: TrainStep) -> list[Tensor]:
    """What D is given from now on."""
    seen: list[Tensor] = []
    step.raw_discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    return seen


def test_d_is_given_all_levels_of_reals_and_fakes(make_config: ConfigMaker) -> None:
    step = make_step(make_config(*ALL))
    seen = watched(step)
    step.iterate(numbered_batches(), 0)
    assert {images.shape[1:] for images in seen} == {(2, 8, 8)}


def test_a_d_that_does_not_know_of_levels_sees_the_picture(make_config: ConfigMaker) -> None:
    step = make_step(make_config(G, WAYS, "discriminator={name: dcgan, args: {width: 4}}"))
    seen = watched(step)
    step.iterate(numbered_batches(), 0)
    assert {images.shape[1:] for images in seen} == {(1, 8, 8)}


def test_reals_are_the_same_at_all_levels_before_noise(make_config: ConfigMaker) -> None:
    step = make_step(make_config(*ALL))
    micro = step._micro_batches(next(numbered_batches()), 0, step.config.train.plan.index("D"))[0]
    assert torch.equal(micro.real[:, 0], micro.real[:, 1])
    assert set(micro.noise) == {"r1_approximate"}
    assert micro.noise["r1_approximate"].shape == (8, 2, 8, 8)
    shown = micro.view_real(micro.real)
    assert not torch.equal(shown[:, 0], shown[:, 1])
    assert (shown[:, 0] - shown[:, 1]).std() > 0.3  # 0.885 and 0.01 of noise
    assert torch.equal(shown, micro.view_real(micro.real))  # penalties see the same noise


def test_guidance_is_drawn_for_each_phase_and_for_reals_and_fakes(make_config: ConfigMaker) -> None:
    step = make_step(make_config(*ALL, "train.plan=[D, G]"))
    batch = next(numbered_batches())
    views = [step._micro_batches(batch, 0, phase)[0] for phase in (0, 1)]
    black = torch.zeros(8, 2, 8, 8)
    shown = [view(black) for micro in views for view in (micro.view_real, micro.view_fake)]
    assert all(not torch.equal(a, b) for i, a in enumerate(shown) for b in shown[:i])


def test_a_loss_without_pairs_draws_no_noise_for_reals_in_gs_phase(make_config: ConfigMaker) -> None:
    step = make_step(make_config(*ALL, "loss.adversarial=hinge", "train.plan=[D, G]"))
    assert set(step.draws.take(0, 0, 1).noise) == {"guidance_fake"}
    assert set(step.draws.take(0, 0, 0).noise) == {"guidance_fake", "guidance_real", "r1_approximate"}


def test_levels_of_a_picture_are_augmented_alike() -> None:
    torch.manual_seed(0)
    augment, pictures = Pipeline({"flip": Flip(), "color": Color()}, 1.0), torch.randn(6, 3, 4, 4)
    parameters = augment.draw(0, "real", 0, 6)
    stack = torch.cat([pictures, 0.5 * pictures], dim=1)
    shown = Levels(2).shown(stack, augment, parameters, None)
    torch.testing.assert_close(shown[:, :3], augment(pictures, parameters))
    torch.testing.assert_close(shown[:, 3:], augment(0.5 * pictures, parameters))
    noise = torch.randn_like(stack)
    torch.testing.assert_close(Levels(2, True).shown(stack, augment, parameters, noise), guided(shown, noise, 2))


@pytest.mark.parametrize("apart", ["false", "true"])
def test_micro_batches_give_the_step_of_the_whole_batch(make_config: ConfigMaker, apart: str) -> None:
    found = []
    for micro in ("null", "2"):
        step = make_step(make_config(*ALL, f"discriminator.args.apart={apart}", f"train.micro_batch={micro}"))
        step.iterate(numbered_batches(), 0)
        found.append(dict(step.raw_generator.state_dict()) | dict(step.raw_discriminator.state_dict()))
    del found[0]["head.linear.bias"]  # pairs do not see it: Adam makes steps of the rounding of its gradient
    for name, whole in found[0].items():
        torch.testing.assert_close(found[1][name], whole, rtol=0, atol=2e-5, msg=name)  # a tenth of a step of Adam


def test_consistency_is_logged_and_weighs(make_config: ConfigMaker) -> None:
    moved = []
    for weight in (0.0, 100.0):
        step = make_step(make_config(*ALL, f"loss.consistency={weight}"))
        step.iterate(numbered_batches(), 0)
        assert ("loss/consistency" in step.meter.means()) == (weight > 0)
        moved.append(step.raw_generator.state_dict()["heads.0.linear.weight"].clone())
    assert not torch.equal(*moved)


def test_what_does_not_go_together_is_refused() -> None:
    assert levels_of(Named(4), Named(), False, False) == Levels(1)
    assert levels_of(Named(4), Named(4), True, True) == Levels(4, True)
    with pytest.raises(UserError, match=r"discriminator\.args\.levels: found 4, but the generator shows 2; expected"):
        levels_of(Named(2), Named(4), False, False)
    with pytest.raises(UserError, match="found 4, but the generator has none"):
        levels_of(Named(), Named(4), False, False)
    with pytest.raises(UserError, match=r"loss\.guidance: it is about levels"):
        levels_of(Named(4), Named(1), True, False)
    with pytest.raises(UserError, match=r"loss\.consistency: it is about levels"):
        levels_of(Named(4), Named(), False, True)
