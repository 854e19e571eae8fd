from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.config.schedule import Schedule
from cgan_dist.errors import UserError
from cgan_dist.losses.consistency_regularization import CONSISTENT
from cgan_dist.losses.gradient_penalties import Judged
from cgan_dist.losses.penalties import PENALTIES, Penalties
from tests.unit.losses.quadratic import CONDITION, Quadratic, pictures

ZERO = torch.zeros((), dtype=torch.float64)
MIX = torch.tensor([0.1, 0.5, 0.9])
NOISE = {name: pictures(seed) for name, seed in (("r1_approximate", 5), ("r2_approximate", 6))}
TWINS = {name: pictures(seed) for seed, name in enumerate(CONSISTENT, start=7)}


def added(penalties: Penalties, weights: dict[str, float], D: Quadratic, mix: Tensor | None = MIX) -> dict[str, Tensor]:
    real, fake = pictures(1).requires_grad_(), pictures(2).requires_grad_()
    judged = (Judged(images, D(images, CONDITION).logits) for images in (real, fake))

    def look(images: Tensor, of: str, twice: bool) -> Tensor:
        return D(images, CONDITION).logits

    loss, scalars = penalties.add_to(ZERO, weights, *judged, look, mix, NOISE, TWINS)
    return {"sum": loss} | scalars


@pytest.mark.parametrize(("name", "seed"), [("r1_approximate", 1), ("r2_approximate", 2)])
def test_the_approximate_ones_compare_with_images_a_step_away(name: str, seed: int) -> None:
    D, images, step = Quadratic(), pictures(seed), 0.05
    squares = ((D.logits(images + step * NOISE[name]) - D.logits(images)) / step) ** 2
    found = added(Penalties({name: 3.0}, noise_step=step), {name: 3.0}, D)
    assert found[f"penalty/{name}"].item() == pytest.approx(squares.mean(), rel=1e-9)
    assert found["sum"].item() == pytest.approx(1.5 * squares.mean(), rel=1e-9)


@pytest.mark.parametrize("name", ["r1", "r2", "gp"])
def test_each_term_is_its_papers(name: str) -> None:
    """Mescheder et al. 2018, eqs. 9 and 10, have gamma / 2; Gulrajani et al. 2017, eq. 3, has lambda."""
    D, real, fake, mix = Quadratic(), pictures(1), pictures(2), MIX.double()[:, None, None, None]
    squares = {
        "r1": (D.gradients(real) ** 2).sum(1),
        "r2": (D.gradients(fake) ** 2).sum(1),
        "gp": (np.linalg.norm(D.gradients(mix * real + (1 - mix) * fake), axis=1) - 1) ** 2,
    }
    found = added(Penalties({name: 3.0}), {name: 3.0}, D)
    assert found[f"penalty/{name}"].item() == pytest.approx(squares[name].mean(), rel=1e-12)
    factor = {"r1": 1.5, "r2": 1.5, "gp": 3.0}[name]
    assert found["sum"].item() == pytest.approx(factor * squares[name].mean(), rel=1e-12)


def test_terms_add_up() -> None:
    D, weights = Quadratic(), {"r1": 0.5, "r2": 0.25, "gp": 10.0, "r1_approximate": 0.7, "lecam": 2.0}
    weights |= dict.fromkeys(CONSISTENT, 0.3)
    together = Penalties(weights)
    alone = [Penalties({name: weight}) for name, weight in weights.items()]
    for penalties in (together, *alone):
        added(penalties, weights, D)
        if penalties.lecam is not None:
            penalties.lecam.finish_update(lambda own: own)
    found = added(together, weights, D)
    parts = [added(penalties, {name: weights[name]}, D)["sum"] for penalties, name in zip(alone, weights, strict=True)]
    torch.testing.assert_close(found["sum"], torch.stack(parts).sum())
    assert set(found) == {"sum", *(f"penalty/{name}" for name in weights)}


def test_lazy_penalties_come_every_so_many_updates_so_many_times_as_heavy() -> None:
    """Karras et al. 2020 (arXiv:1912.04958), appendix B; what needs no second derivative is never lazy."""
    always = {"r1_approximate": 0.1, "r2_approximate": 0.2, "lecam": 0.1, "zcr_g": 0.5}
    always |= dict.fromkeys(CONSISTENT, 0.3)
    penalties = Penalties({"r1": 0.3, "r2": 0.5, "gp": 10.0, **always}, lazy_updates=4)
    for update in range(9):
        turn = 4 if update in (0, 4, 8) else 0
        assert penalties.weights(0, update) == {"r1": 0.3 * turn, "r2": 0.5 * turn, "gp": 10.0 * turn, **always}
    total = {name: sum(penalties.weights(0, update)[name] for update in range(8)) for name in PENALTIES}
    assert total == pytest.approx({name: 8 * weight for name, weight in penalties.scheduled.items()})


def test_weights_follow_the_clock() -> None:
    fading = Schedule[float](start=1.0, end=0.0, end_images=100, shape="linear")
    late = Schedule[float](start=0.0, end=0.3, end_images=640, shape="step")
    penalties = Penalties({"r1": fading, "lecam": late}, lazy_updates=2)
    assert penalties.weights(25, 0) == {"r1": 1.5, "lecam": 0.0}
    assert penalties.weights(25, 1) == {"r1": 0.0, "lecam": 0.0}
    assert penalties.weights(640, 10) == {"r1": 0.0, "lecam": 0.3}


def test_what_weighs_nothing_is_not_computed() -> None:
    D, penalties = Quadratic(), Penalties({"r1": 1.0, "r2": 1.0, "gp": 1.0, "lecam": 1.0})
    found = added(penalties, dict.fromkeys(PENALTIES, 0.0), D, mix=None)
    assert found == {"sum": ZERO}
    assert len(D.seen) == 2  # no look between
    assert penalties.lecam is not None
    assert len(penalties.lecam.means) == 1  # its averages move all the same


def test_what_never_weighs_anything_is_left_out() -> None:
    nothing = Schedule[float](start=0.0, end=0.0, end_images=1)
    assert Penalties({"r1": 0.0, "lecam": nothing}).names == ()
    assert Penalties({"r1": 0, "r2": Schedule[float](start=0.0, end=1.0, end_images=9)}).names == ("r2",)


def test_gp_wants_its_mix() -> None:
    with pytest.raises(ValueError, match="gp needs mix"):
        added(Penalties({"gp": 10.0}), {"gp": 10.0}, Quadratic(), mix=None)


@pytest.mark.parametrize(("name", "near"), [("rr1", "r1"), ("leacm", "lecam")])
def test_an_unknown_penalty_is_refused_with_the_close_match(name: str, near: str) -> None:
    with pytest.raises(
        UserError, match=rf"loss.penalties.{name}: unknown penalty. Did you mean '{near}'.* Known: r1, "
    ):
        Penalties({name: 1.0})
