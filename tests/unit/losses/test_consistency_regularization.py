"""bCR and zCR against numpy, one image at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.losses.adversarial import Hinge, NonSaturating
from cgan_dist.losses.consistency_regularization import CONSISTENT, disagreement, distance, nearby
from cgan_dist.losses.objective import Objective
from tests.unit.losses.quadratic import CONDITION, Quadratic, pictures

TWINS = {name: pictures(seed) for seed, name in enumerate(CONSISTENT, start=10)}
REAL, FAKE = pictures(1), pictures(2)
IMAGES = {"real": REAL, "fake": FAKE}


def test_each_is_the_mean_of_squared_differences() -> None:
    one, other = np.array([1.0, -2.0, 0.5]), np.array([0.0, -2.5, 3.5])
    expected = (1.0**2 + 0.5**2 + 3.0**2) / 3
    assert disagreement(torch.from_numpy(one), torch.from_numpy(other)).item() == pytest.approx(expected, rel=1e-12)
    squares = [float(((a - b) ** 2).sum()) for a, b in zip(REAL.numpy(), FAKE.numpy(), strict=True)]
    assert distance(REAL, FAKE).item() == pytest.approx(np.mean(squares) / 4, rel=1e-12)  # of four pixels


def test_z_is_moved_by_noise_of_the_standard_deviation() -> None:
    z, noise = torch.zeros(50, 40), torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(nearby(z, noise, 0.05), 0.05 * noise)
    assert torch.equal(nearby(z + 1, noise, 0.5), 1 + 0.5 * noise)


@pytest.mark.parametrize("name", CONSISTENT)
def test_d_is_to_judge_twins_alike(name: str) -> None:
    """Zhao et al. 2020, algorithms 1 and 2: lambda times the square, with no half."""
    D, weights = Quadratic(), {name: 3.0}
    objective = Objective(Hinge(), weights)
    loss, scalars = objective.discriminator(D, REAL, FAKE, CONDITION, objective.weights(0, 0), twins=TWINS)
    squares = (D.logits(IMAGES[CONSISTENT[name]]) - D.logits(TWINS[name])) ** 2
    hinge = np.maximum(0, 1 - D.logits(REAL)).mean() + np.maximum(0, 1 + D.logits(FAKE)).mean()
    assert scalars[f"penalty/{name}"].item() == pytest.approx(squares.mean(), rel=1e-12)
    assert loss.item() == pytest.approx(hinge + 3.0 * squares.mean(), rel=1e-12)
    assert len(D.seen) == 3


def test_gradients_reach_d_by_both_twins() -> None:
    D, weights = Quadratic(), dict.fromkeys(CONSISTENT, 0.7)

    def loss() -> Tensor:
        return Objective(NonSaturating(), weights).discriminator(D, REAL, FAKE, CONDITION, weights, twins=TWINS)[0]

    loss().backward()
    gradient, step = D.matrix.grad, 1e-6
    assert gradient is not None
    for row, column in [(0, 0), (1, 3), (3, 2)]:
        found = []
        for side in (step, -2 * step, step):
            with torch.no_grad():
                D.matrix[row, column] += side
            found.append(loss().item())
        assert gradient[row, column].item() == pytest.approx((found[0] - found[1]) / (2 * step), rel=1e-5)


def test_twins_are_shown_as_their_images_are() -> None:
    D, weights = Quadratic(), dict.fromkeys(CONSISTENT, 1.0)
    views = (lambda images: 2 * images, lambda images: 3 * images)
    Objective(Hinge(), weights).discriminator(D, REAL, FAKE, CONDITION, weights, *views, twins=TWINS)
    factors = {"real": 2, "fake": 3}
    expected = [2 * REAL, 3 * FAKE, *(factors[of] * TWINS[name] for name, of in CONSISTENT.items())]
    assert all(torch.equal(*pair) for pair in zip(D.seen, expected, strict=True))


def test_what_weighs_nothing_looks_at_nothing() -> None:
    D, objective = Quadratic(), Objective(Hinge(), dict.fromkeys(CONSISTENT, 1.0))
    _, scalars = objective.discriminator(D, REAL, FAKE, CONDITION, dict.fromkeys(CONSISTENT, 0.0))
    assert len(D.seen) == 2
    assert not any(name.startswith("penalty/") for name in scalars)


def test_g_gains_by_showing_what_moves_in_z() -> None:
    """Zhao et al. 2020, algorithm 2: -lambda_gen |G(z) - G(T(z))|^2."""
    D, objective = Quadratic(), Objective(Hinge(), {"zcr_g": 0.5})
    fake, twin = FAKE.clone().requires_grad_(), TWINS["zcr_d"].clone().requires_grad_()
    loss, scalars = objective.generator(D, REAL, fake, CONDITION, objective.weights(0, 0), twin=twin)
    difference = FAKE.numpy() - twin.detach().numpy()
    adversarial, gained = -D.logits(FAKE).mean(), (difference**2).mean()
    assert {name: value.item() for name, value in scalars.items()} == pytest.approx(
        {"loss/g_adversarial": adversarial, "penalty/zcr_g": gained, "loss/g": adversarial - 0.5 * gained}, rel=1e-12
    )
    assert loss.item() == scalars["loss/g"].item()
    loss.backward()
    assert twin.grad is not None  # G learns by both
    np.testing.assert_allclose(twin.grad.numpy(), 0.5 * 2 * difference / difference.size, rtol=1e-12)


def test_gs_twin_must_be_there_where_it_weighs_something() -> None:
    with pytest.raises(ValueError, match="zcr_g needs the twin of each fake"):
        Objective(Hinge(), {"zcr_g": 0.5}).generator(Quadratic(), REAL, FAKE, CONDITION, {"zcr_g": 0.5})
    found = Objective(Hinge(), {"zcr_g": 0.5}).generator(Quadratic(), REAL, FAKE, CONDITION, {"zcr_g": 0.0})[1]
    assert set(found) == {"loss/g"}
