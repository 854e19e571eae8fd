from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.errors import UserError
from cgan_dist.losses.adversarial import NonSaturating, Relativistic
from cgan_dist.losses.objective import Objective
from cgan_dist.losses.penalties import gradient_penalty

REAL, FAKE = torch.tensor([2.0, -1.0], dtype=torch.float64), torch.tensor([0.5, -3.0], dtype=torch.float64)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


class Quadratic(nn.Module):
    """D(x) = a * sum(x^2) + label, whose squared gradient norm is 4 a^2 sum(x^2)."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, image: Tensor, condition: Tensor) -> Tensor:
        return self.a * image.square().flatten(1).sum(1) + condition


def test_non_saturating_is_the_cross_entropy_of_the_original() -> None:
    bce = nn.functional.binary_cross_entropy_with_logits
    loss, terms = NonSaturating().discriminator(REAL, FAKE)
    expected_real, expected_fake = bce(REAL, torch.ones_like(REAL)), bce(FAKE, torch.zeros_like(FAKE))
    torch.testing.assert_close(terms["d_real"], expected_real)
    torch.testing.assert_close(terms["d_fake"], expected_fake)
    torch.testing.assert_close(loss, expected_real + expected_fake)
    torch.testing.assert_close(NonSaturating().generator(None, FAKE)[0], bce(FAKE, torch.ones_like(FAKE)))


def test_relativistic_pairs_each_real_with_one_fake() -> None:
    loss, _ = Relativistic().discriminator(REAL, FAKE)
    assert loss.item() == pytest.approx((softplus(-1.5) + softplus(-2.0)) / 2, abs=1e-12)
    loss, _ = Relativistic().generator(REAL, FAKE)
    assert loss.item() == pytest.approx((softplus(1.5) + softplus(2.0)) / 2, abs=1e-12)


def test_the_penalty_is_the_squared_gradient_norm() -> None:
    images = torch.randn(3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(images, Quadratic()(images, torch.zeros(3)))
    torch.testing.assert_close(penalty, images.square().flatten(1).sum(1))
    with pytest.raises(ValueError, match="require grad"):
        gradient_penalty(images.detach(), penalty)


def test_d_minimizes_the_loss_plus_half_gamma_times_each_penalty() -> None:
    D = Quadratic()
    real, fake = (torch.randn(4, 1, 2, 2, dtype=torch.float64) for _ in range(2))
    loss, scalars = Objective(Relativistic(), {"r1": 0.3, "r2": 0.7}).discriminator(D, real, fake, torch.zeros(4))
    adversarial = Relativistic().discriminator(D(real, torch.zeros(4)), D(fake, torch.zeros(4)))[0]
    r1, r2 = (images.square().flatten(1).sum(1).mean() for images in (real, fake))
    torch.testing.assert_close(loss, adversarial + 0.15 * r1 + 0.35 * r2)
    torch.testing.assert_close(scalars["penalty/r1"], r1.detach())
    loss.backward()
    assert D.a.grad is not None
    assert torch.isfinite(D.a.grad)


def test_g_sees_real_images_only_where_the_loss_pairs_them() -> None:
    calls: list[Tensor] = []

    class Spy(Quadratic):
        def forward(self, image: Tensor, condition: Tensor) -> Tensor:
            calls.append(image)
            return super().forward(image, condition)

    real, fake = torch.zeros(2, 1, 2, 2, dtype=torch.float64), torch.ones(2, 1, 2, 2, dtype=torch.float64)
    Objective(NonSaturating(), {}).generator(Spy(), real, fake, torch.zeros(2))
    assert len(calls) == 1
    Objective(Relativistic(), {}).generator(Spy(), real, fake, torch.zeros(2))
    assert len(calls) == 3


def test_an_unknown_penalty_is_refused_with_the_close_match() -> None:
    with pytest.raises(UserError, match=r"loss.penalties.rr1: unknown penalty. Did you mean 'r1'"):
        Objective(NonSaturating(), {"rr1": 1.0})
