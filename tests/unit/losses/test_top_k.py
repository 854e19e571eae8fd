"""Top-k training of G against numpy, and whatever parts the batch is passed in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.losses.adversarial import Adversarial, Hinge, LeastSquares, NonSaturating, Relativistic, Wasserstein
from cgan_dist.losses.objective import Objective
from cgan_dist.losses.top_k import AmongAll, most_real, top_k_loss
from tests.unit.losses.quadratic import CONDITION, Quadratic, pictures

FAKES, REALS = (torch.randn(8, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in (1, 2))


def among(parts: int, number: int) -> AmongAll:
    """The whole batch is known to all; part `number` puts its own in its place."""
    size = 8 // parts

    def put(own: Tensor, of: str) -> Tensor:
        whole = {"fake": FAKES, "real": REALS}[of]
        return torch.cat([whole[: number * size], own, whole[(number + 1) * size :]])

    return put


@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, [2, 4, 1, 3, 0]), (0.5, [2, 4]), (0.61, [2, 4, 1]), (0.01, [2]), (0.7, [2, 4, 1, 3])]
)
def test_the_most_real_rows(share: float, expected: list[int]) -> None:
    """Of 5: 0.5 is 2.5 and rounds to the even number, 0.61 is 3.05, 0.7 is 3.5; a batch always has one."""
    assert most_real(torch.tensor([-1.0, 0.5, 3.0, 0.0, 0.7]), share).tolist() == expected


def test_of_equal_ones_the_first_comes_first_and_of_levels_the_mean_counts() -> None:
    assert most_real(torch.zeros(100), 0.1).tolist() == list(range(10))
    assert most_real(torch.tensor([[3.0, -9.0], [0.0, 1.0], [4.0, 4.0]]), 0.7).tolist() == [2, 1]


@pytest.mark.parametrize("adversarial", [Hinge(), LeastSquares(), NonSaturating(), Relativistic(), Wasserstein()])
@pytest.mark.parametrize("parts", [1, 2, 8])
def test_the_best_of_the_whole_batch_count_whatever_parts_it_is_passed_in(adversarial: Adversarial, parts: int) -> None:
    """Sinha et al. 2020: the loss and the gradient are those of the k most real fakes alone."""
    best = np.argsort(-FAKES.numpy())[:3]
    alone = FAKES[best].clone().requires_grad_()
    expected, _ = adversarial.generator(REALS[best], alone)
    expected.backward()
    gradient = torch.zeros(8, dtype=torch.float64)
    assert alone.grad is not None
    gradient[best] = alone.grad
    found = []
    reals = REALS.chunk(parts) if adversarial.generator_needs_real else [None] * parts
    for number, (real, fake) in enumerate(zip(reals, FAKES.chunk(parts), strict=True)):
        own = fake.clone().requires_grad_()
        loss, _ = top_k_loss(adversarial, real, own, 0.375, among(parts, number))
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
        (loss / parts).backward()  # training takes the mean over micro-batches and ranks
        assert own.grad is not None
        found.append(own.grad)
    torch.testing.assert_close(torch.cat(found), gradient)


def test_g_learns_from_the_best_and_ways_from_all() -> None:
    D, fake = Quadratic(), pictures(2).requires_grad_()
    objective = Objective(Hinge(), {}, top_k=0.6)  # two of three
    weights = objective.weights(0, 0)
    assert weights == {"top_k": 0.6}
    loss, scalars = objective.generator(D, pictures(1), fake, CONDITION, weights, among_all=lambda own, of: own)
    logits = D.logits(fake)
    assert loss.item() == pytest.approx(-np.sort(logits)[1:].mean(), rel=1e-12)
    assert set(scalars) == {"loss/g"}
    loss.backward()
    assert fake.grad is not None
    assert (fake.grad.flatten(1) != 0).any(1).tolist() == [bool(row) for row in logits > logits.min()]


def test_all_count_unless_the_share_is_ever_below_one() -> None:
    assert Objective(Hinge(), {}).weights(0, 0) == {}
    assert Objective(Hinge(), {}, top_k=1.0).weights(0, 0) == {}
