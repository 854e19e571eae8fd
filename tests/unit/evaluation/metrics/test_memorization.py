from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.classifier import split
from cgan_dist.evaluation.metrics.memorization import Memorization, rank_sum
from tests.unit.evaluation.metrics.sets import fake_set, normal, real_set

COUNT, WIDTH = 2_000, 5
REAL = normal(COUNT, WIDTH, seed=0)
TRAIN, TEST = split(COUNT)


def score(fakes: Tensor, real: Tensor = REAL) -> dict[str, float]:
    return Memorization().score(real_set("classifier", real), fake_set("classifier", fakes))


@pytest.mark.parametrize("seed", range(1, 6))
def test_fresh_draws_are_not_flagged(seed: int) -> None:
    found = score(normal(1_000, WIDTH, seed))
    assert found["memorization"] < 0.05
    assert abs(found["memorization/z"]) < 3
    assert found["memorization/median_ratio"] == pytest.approx(1, abs=0.15)


def test_copies_are_flagged() -> None:
    copies = score(REAL[TRAIN[:1_000]])
    assert copies["memorization"] == 1
    assert copies["memorization/z"] < -20
    assert copies["memorization/median_ratio"] == 0


def test_copies_with_a_little_noise_are_flagged() -> None:
    blurred = score(REAL[TRAIN[:1_000]] + normal(1_000, WIDTH, seed=1, scale=0.02))
    assert blurred["memorization"] > 0.9
    assert blurred["memorization/z"] < -20


def test_a_few_copies_among_fresh_draws_are_counted() -> None:
    fakes = normal(1_000, WIDTH, seed=1)
    fresh = score(fakes)
    mixed = score(torch.cat([REAL[TRAIN[:200]], fakes[200:]]))
    assert mixed["memorization"] == pytest.approx(0.2 + 0.8 * fresh["memorization"], abs=0.02)
    assert mixed["memorization/z"] < -3


def test_copies_of_held_out_images_pass_for_new_ones() -> None:
    found = score(REAL[TEST])
    assert found["memorization"] == pytest.approx(0.01, abs=0.005)
    assert found["memorization/z"] == 0
    assert found["memorization/median_ratio"] == 1


def test_far_away_fakes_are_no_copies() -> None:
    found = score(normal(1_000, WIDTH, seed=1, shift=5.0))
    assert found["memorization"] == 0
    assert found["memorization/z"] > 20
    assert found["memorization/median_ratio"] > 3


def test_the_share_that_is_near_is_the_users() -> None:
    wide = Memorization(near=0.5).score(
        real_set("classifier", REAL), fake_set("classifier", normal(1_000, WIDTH, seed=1))
    )
    assert wide["memorization"] == pytest.approx(0.5, abs=0.1)


def test_rank_sum_counts_every_pair() -> None:
    values, others = torch.tensor([1.0, 2.0, 2.0, 7.0]), torch.tensor([2.0, 3.0, 0.5])
    pairs = (values[:, None] > others).double() + (values[:, None] == others).double() / 2
    deviation = (4 * 3 * 8 / 12) ** 0.5
    assert rank_sum(values, others) == pytest.approx((pairs.sum().item() - 6) / deviation)
    assert rank_sum(others, values) == pytest.approx(-rank_sum(values, others))


def test_too_few_real_images_are_refused() -> None:
    with pytest.raises(UserError, match=r"^memorization: found 100 real images, 10 of them held out; expected 20"):
        score(REAL, REAL[:100])
