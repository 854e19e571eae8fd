from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.losses.approximate_penalties import nudged, squared_slope
from cgan_dist.losses.gradient_penalties import gradient_penalty
from tests.unit.losses.quadratic import CONDITION, Quadratic, pictures

PIXELS = 4


def mean_over_noise(D: nn.Module, images: Tensor, step: float) -> Tensor:
    """(B,): noise along each axis, either way, has the mean and the covariance of normal noise, exactly."""
    axes = PIXELS**0.5 * torch.cat([torch.eye(PIXELS), -torch.eye(PIXELS)]).double().view(-1, 1, 1, 2, 2)
    logits = D(images, CONDITION).logits
    off = [D(nudged(images, axis.expand_as(images), step), CONDITION).logits for axis in axes]
    return torch.stack([squared_slope(logits, one, step) for one in off]).mean(0)


def exact(D: nn.Module, images: Tensor) -> Tensor:
    images = images.clone().requires_grad_()
    return gradient_penalty(images, D(images, CONDITION).logits)


def test_its_mean_goes_to_the_squared_gradient_norm_as_the_step_goes_to_0() -> None:
    D, images = Quadratic(), pictures(1)
    errors = [(mean_over_noise(D, images, step) - exact(D, images)).abs().max().item() for step in (1.0, 0.1, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(100, rel=1e-3)  # O(s^2), and nothing of first order
    assert errors[1] / errors[2] == pytest.approx(100, rel=1e-3)
    assert errors[2] < 1e-3 * exact(D, images).max()


def test_so_do_its_gradients() -> None:
    D, images = Quadratic(), pictures(1)
    (expected,) = torch.autograd.grad(exact(D, images).mean(), [D.matrix])
    (found,) = torch.autograd.grad(mean_over_noise(D, images, 1e-4).mean(), [D.matrix])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_over_normal_noise_too() -> None:
    D, images = Quadratic(), pictures(1, count=1)
    many = images.expand(40_000, 1, 2, 2)
    noise = torch.randn(many.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = D.matrix.detach()

    def logits(x: Tensor) -> Tensor:
        return torch.einsum("bi,ij,bj->b", x.flatten(1), weights, x.flatten(1))

    found = squared_slope(logits(many), logits(nudged(many, noise, 1e-3)), 1e-3).mean()
    expected = ((weights + weights.T) @ images.flatten()).square().sum()
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0.0)  # four standard errors


def test_no_graph_leads_to_the_images() -> None:
    images = pictures(1).requires_grad_()
    assert not nudged(images, pictures(2)).requires_grad
