"""LeCam against the paper's formula (Tseng et al. 2021, arXiv:2104.03310), one-sided, and its averages by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.losses.lecam import Lecam

BATCHES = [
    ([1.0, 3.0], [-2.0, -4.0]),
    ([0.5, -6.0], [1.0, 4.0]),
    ([2.0, -2.0], [-1.0, 0.5]),
]


def as_logits(batch: tuple[list[float], list[float]]) -> tuple[Tensor, Tensor]:
    real, fake = (torch.tensor(values, dtype=torch.float64) for values in batch)
    return real, fake


def trained(batches: list[tuple[list[float], list[float]]]) -> Lecam:
    lecam = Lecam()
    for batch in batches:
        lecam.observe(*as_logits(batch))
        lecam.finish_update(lambda own: own)
    return lecam


def test_the_first_update_sets_the_averages_and_has_no_term() -> None:
    assert Lecam().penalty(*as_logits(BATCHES[0])) is None
    assert Lecam().state() == {}
    assert trained(BATCHES[:1]).state()["lecam"].tolist() == [2.0, -3.0]  # no pull towards 0


def test_two_updates_by_hand() -> None:
    lecam = trained(BATCHES[:2])
    of_reals, of_fakes = 0.99 * 2.0 + 0.01 * -2.75, 0.99 * -3.0 + 0.01 * 2.5
    np.testing.assert_allclose(lecam.state()["lecam"].numpy(), [of_reals, of_fakes], rtol=1e-14)
    penalty = lecam.penalty(*as_logits(BATCHES[2]))
    expected = 0.0
    for logit in BATCHES[2][0]:
        expected += max(0.0, logit - of_fakes) ** 2 / 2
    for logit in BATCHES[2][1]:
        expected += max(0.0, of_reals - logit) ** 2 / 2
    assert penalty is not None
    assert penalty.item() == pytest.approx(expected, rel=1e-12)


def test_it_is_the_papers_two_sided_term_while_reals_are_above_fakes() -> None:
    lecam, (real, fake) = trained(BATCHES[:1]), as_logits(BATCHES[0])
    penalty = lecam.penalty(real, fake)
    assert penalty is not None
    assert penalty.item() == pytest.approx(
        np.mean([(1 + 3) ** 2, (3 + 3) ** 2]) + np.mean([(2 + 2) ** 2, (2 + 4) ** 2])
    )


def test_it_pulls_reals_down_and_fakes_up_and_leaves_the_averages_alone() -> None:
    lecam, (real, fake) = trained(BATCHES[:1]), (x.requires_grad_() for x in as_logits(BATCHES[0]))
    penalty = lecam.penalty(real, fake)
    assert penalty is not None
    penalty.backward()
    np.testing.assert_allclose(real.grad, [4.0, 6.0])  # 2 / 2 (D(x) - a_F)
    np.testing.assert_allclose(fake.grad, [-4.0, -6.0])
    lecam.observe(real, fake)
    lecam.finish_update(lambda own: own)
    assert not lecam.state()["lecam"].requires_grad


def test_a_prediction_on_the_other_side_is_not_pulled() -> None:
    lecam = trained(BATCHES[:1])
    penalty = lecam.penalty(torch.tensor([-3.5]).double(), torch.tensor([2.5]).double())
    assert penalty is not None
    assert penalty.item() == 0


def test_micro_batches_move_the_averages_as_the_whole_batch() -> None:
    whole, parts = trained(BATCHES[:1]), trained(BATCHES[:1])
    real, fake = (torch.randn(8, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in (0, 1))
    whole.observe(real, fake)
    for number in range(4):
        parts.observe(real[2 * number :][:2], fake[2 * number :][:2])
        assert parts.averages is not None
        assert parts.averages.tolist() == [2.0, -3.0]  # until the update is finished
    for lecam in (whole, parts):
        lecam.finish_update(lambda own: own)
    torch.testing.assert_close(parts.averages, whole.averages, rtol=0, atol=1e-15)


def test_ranks_share_one_average() -> None:
    lecam = trained(BATCHES[:1])
    lecam.observe(*as_logits(BATCHES[1]))
    lecam.finish_update(lambda own: (own + torch.tensor([4.75, -0.5])) / 2)  # the other rank's means
    np.testing.assert_allclose(lecam.state()["lecam"], [0.99 * 2 + 0.01 * 1.0, 0.99 * -3 + 0.01 * 1.0], rtol=1e-14)


def test_what_was_saved_goes_on_as_if_nothing_had_happened() -> None:
    saved, fresh = trained(BATCHES[:2]), Lecam()
    fresh.observe(*as_logits(BATCHES[2]))  # half an update, which a restored run does again
    fresh.restore(saved.state(), torch.device("cpu"))
    for lecam in (saved, fresh):
        lecam.observe(*as_logits(BATCHES[2]))
        lecam.finish_update(lambda own: own)
    assert torch.equal(saved.state()["lecam"], fresh.state()["lecam"])
    fresh.restore({}, torch.device("cpu"))
    assert fresh.penalty(*as_logits(BATCHES[0])) is None


def test_nothing_waits_for_the_device() -> None:
    """A meta tensor has no values, so whatever would read one raises."""
    lecam, logits = Lecam(), torch.empty(4, device="meta")
    for _ in range(3):
        lecam.penalty(logits, logits)
        lecam.observe(logits, logits)
        lecam.finish_update(lambda own: own)
    assert lecam.state()["lecam"].device.type == "meta"
