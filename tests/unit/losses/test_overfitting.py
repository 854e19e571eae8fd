"""How well D knows its training pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgan_dist.losses import ADVERSARIAL
from cgan_dist.losses.objective import Objective
from cgan_dist.losses.overfitting import Overfitting

THRESHOLDS = {"non_saturating": 0.0, "hinge": 0.0, "least_squares": 0.5, "relativistic": None, "wasserstein": None}


def measured(threshold: float | None, *pairs: tuple[Tensor, Tensor]) -> float:
    overfitting = Overfitting(threshold)
    for real, fake in pairs:
        overfitting.observe(real, fake)
    overfitting.finish_update(lambda own: own)
    assert overfitting.latest is not None
    return overfitting.latest.item()


def logits(count: int = 64) -> tuple[Tensor, Tensor]:
    drawn = torch.randn(2, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return drawn[0] + 1, drawn[1] - 0.5


def test_where_the_decision_of_each_loss_lies() -> None:
    assert set(ADVERSARIAL.table) == set(THRESHOLDS)
    for name, threshold in THRESHOLDS.items():
        objective = Objective(ADVERSARIAL.build(name, "loss.adversarial", {}), {})
        assert objective.overfitting is None
        objective.measure_overfitting()
        assert objective.overfitting is not None
        assert objective.overfitting.threshold == threshold


def test_a_loss_that_does_not_say_where_counts_differences() -> None:
    class Own:
        generator_needs_real = False

    objective = Objective(Own(), {})  # type: ignore[arg-type]
    objective.measure_overfitting()
    assert objective.overfitting is not None
    assert objective.overfitting.threshold is None


def test_it_is_the_mean_sign_about_a_threshold() -> None:
    real, fake = torch.tensor([3.0, 0.4, -1.0, 0.6]), torch.zeros(4)
    assert measured(0.0, (real, fake)) == pytest.approx(0.5)
    assert measured(0.5, (real, fake)) == pytest.approx(0.0)


def test_without_a_threshold_it_is_the_middle_of_two_means() -> None:
    real, fake = logits()
    middle = (real.mean() + fake.mean()) / 2
    expected = (real - middle).sign().mean().item()
    assert measured(None, (real, fake)) == pytest.approx(expected)
    assert measured(None, (real + 7, fake + 7)) == pytest.approx(expected)
    assert measured(0.0, (real + 7, fake + 7)) == 1
    assert measured(None, (real, real.flip(0))) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("threshold", [0.0, None])
def test_micro_batches_and_ranks_are_one_batch(threshold: float | None) -> None:
    real, fake = logits()
    whole = measured(threshold, (real, fake))
    assert measured(threshold, *zip(real.chunk(4), fake.chunk(4), strict=True)) == pytest.approx(whole)
    ranks = [Overfitting(threshold) for _ in range(2)]
    for rank, *own in zip(ranks, real.chunk(2), fake.chunk(2), strict=True):
        rank.observe(*own)
    means = torch.stack([torch.stack([real.chunk(2)[n].mean(0), fake.chunk(2)[n].mean(0)]) for n in range(2)]).mean(0)
    signs: list[Tensor] = []
    for rank in ranks:
        rank.finish_update(lambda own: means if own.shape == (2,) else signs.append(own) or own)  # type: ignore[func-returns-value]
    assert torch.stack(signs).mean().item() == pytest.approx(whole)


def test_each_level_has_a_middle_of_its_own() -> None:
    real, fake = logits()
    levels = torch.stack([real, real + 5], dim=1), torch.stack([fake, fake + 5], dim=1)
    assert measured(None, levels) == pytest.approx(measured(None, (real, fake)))


@pytest.mark.parametrize("threshold", [0.0, None])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_shows(threshold: float | None, bad: float) -> None:
    real, fake = logits()
    real[3] = bad
    assert measured(threshold, (real, fake)) != measured(threshold, (real, fake))  # NaN


def test_what_was_observed_can_be_forgotten() -> None:
    overfitting = Overfitting(0.0)
    overfitting.observe(torch.tensor([-1.0]), torch.tensor([0.0]))
    overfitting.forget()
    overfitting.observe(torch.tensor([1.0]), torch.tensor([0.0]))
    overfitting.finish_update(lambda own: own)
    assert overfitting.latest == 1
