"""Each loss against its paper's formula, written with numpy one logit at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from cgan_dist.errors import UserError
from cgan_dist.losses import ADVERSARIAL
from cgan_dist.losses.adversarial import Adversarial, NonSaturating

Array = np.ndarray
REAL, FAKE = np.array([2.0, -1.0, 0.3, 7.0]), np.array([0.5, -3.0, -0.2, 1.5])


def softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


Formula = tuple[Callable[[Array, Array], float], Callable[[Array, Array], float]]
FORMULAS: dict[str, Formula] = {
    # Goodfellow et al. 2014, section 3: D ascends log D(x) + log(1 - D(G(z))), G ascends log D(G(z))
    "non_saturating": (
        lambda r, f: -np.mean(np.log(sigmoid(r))) - np.mean(np.log(1 - sigmoid(f))),
        lambda r, f: -np.mean(np.log(sigmoid(f))),
    ),
    # Huang et al. 2024, eq. 2, with f(t) = -log(1 + exp(-t)) of D(real) - D(fake)
    "relativistic": (lambda r, f: np.mean(softplus(-(r - f))), lambda r, f: np.mean(softplus(r - f))),
    # Miyato et al. 2018, eqs. 16 and 17, negated: D and G minimize
    "hinge": (
        lambda r, f: -np.mean(np.minimum(0, r - 1)) - np.mean(np.minimum(0, -1 - f)),
        lambda r, f: -np.mean(f),
    ),
    # Mao et al. 2017, eq. 9
    "least_squares": (
        lambda r, f: 0.5 * np.mean((r - 1) ** 2) + 0.5 * np.mean(f**2),
        lambda r, f: 0.5 * np.mean((f - 1) ** 2),
    ),
    # Arjovsky et al. 2017, eq. 2: D ascends E D(x) - E D(G(z)); G ascends E D(G(z))
    "wasserstein": (lambda r, f: np.mean(f) - np.mean(r), lambda r, f: -np.mean(f)),
}


def built(name: str) -> Adversarial:
    loss: Adversarial = ADVERSARIAL.build(name, "loss.adversarial", {})
    return loss


def test_every_loss_of_the_table_has_its_formula_here() -> None:
    assert set(FORMULAS) == set(ADVERSARIAL.table)
    with pytest.raises(UserError, match=r"loss.adversarial: unknown adversarial loss 'hinje'. Did you mean 'hinge'"):
        ADVERSARIAL.build("hinje", "loss.adversarial", {})


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_is_its_formula(name: str) -> None:
    of_d, of_g = FORMULAS[name]
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    loss, terms = built(name).discriminator(real, fake)
    assert loss.item() == pytest.approx(of_d(REAL, FAKE), rel=1e-12)
    if terms:
        assert (terms["d_real"] + terms["d_fake"]).item() == pytest.approx(loss.item(), rel=1e-12)
        far = np.full(4, -30.0)  # only the half of the fakes depends on them
        moved = built(name).discriminator(real, torch.from_numpy(far))[1]
        assert moved["d_real"].item() == terms["d_real"].item()
        assert moved["d_fake"].item() != terms["d_fake"].item()
    loss, terms = built(name).generator(real, fake)
    assert loss.item() == pytest.approx(of_g(REAL, FAKE), rel=1e-12)
    assert terms == {}


@pytest.mark.parametrize("name", FORMULAS)
def test_d_wants_real_above_fake_and_g_the_reverse(name: str) -> None:
    real, fake = (torch.zeros(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    built(name).discriminator(real, fake + 0.1)[0].backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    fake.grad = None
    built(name).generator(real, fake)[0].backward()
    assert (fake.grad < 0).all()


@pytest.mark.parametrize("name", FORMULAS)
def test_g_looks_at_real_logits_only_where_the_loss_says_so(name: str) -> None:
    loss, fake = built(name), torch.from_numpy(FAKE)
    if loss.generator_needs_real:
        with pytest.raises(ValueError, match="needs the logits of real images"):
            loss.generator(None, fake)
    else:
        assert loss.generator(None, fake)[0] == loss.generator(torch.from_numpy(REAL), fake)[0]


def test_non_saturating_is_the_cross_entropy_of_the_original() -> None:
    bce = nn.functional.binary_cross_entropy_with_logits
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    loss, terms = NonSaturating().discriminator(real, fake)
    torch.testing.assert_close(terms["d_real"], bce(real, torch.ones_like(real)))
    torch.testing.assert_close(terms["d_fake"], bce(fake, torch.zeros_like(fake)))
    torch.testing.assert_close(loss, terms["d_real"] + terms["d_fake"])
    torch.testing.assert_close(NonSaturating().generator(None, fake)[0], bce(fake, torch.ones_like(fake)))


@pytest.mark.parametrize("name", FORMULAS)
def test_far_logits_stay_finite(name: str) -> None:
    far = torch.tensor([1e4, -1e4])
    for loss in (built(name).discriminator(far, -far)[0], built(name).generator(far, -far)[0]):
        assert torch.isfinite(loss)
