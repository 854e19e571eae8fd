"""The penalties against gradients that are known, and their own gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.losses.gradient_penalties import Judged, between, gradient_penalties, gradient_penalty, unit_norm_penalty
from tests.unit.losses.quadratic import CONDITION, Quadratic, pictures

Array = np.ndarray
PENALTIES = [gradient_penalty, unit_norm_penalty]


@pytest.mark.parametrize("seed", range(3))
def test_each_image_has_the_norm_of_its_own_gradient(seed: int) -> None:
    D, images = Quadratic(), pictures(seed).requires_grad_()
    logits = D(images, CONDITION).logits
    norms = np.sqrt((D.gradients(images) ** 2).sum(1))
    np.testing.assert_allclose(gradient_penalty(images, logits).detach().numpy(), norms**2, rtol=1e-12)
    np.testing.assert_allclose(unit_norm_penalty(images, logits).detach().numpy(), (norms - 1) ** 2, rtol=1e-12)


class TwoLayers:
    """D(x) = v . tanh(W x) in numpy: its gradient is W^T (v * (1 - tanh(W x)^2))."""

    def __init__(self) -> None:
        numbers = np.random.default_rng(5)
        self.x, self.v, self.W = numbers.normal(size=(3, 4)), numbers.normal(size=5), numbers.normal(size=(5, 4))

    def norms(self, W: Array) -> Array:
        return np.array([np.linalg.norm(W.T @ (self.v * (1 - np.tanh(W @ x) ** 2))) for x in self.x])


@pytest.mark.parametrize(
    ("penalty", "of_norms"), [(PENALTIES[0], lambda n: n**2), (PENALTIES[1], lambda n: (n - 1) ** 2)]
)
def test_the_second_backward_pass_is_right(penalty: Callable[..., Tensor], of_norms: Callable[[Array], Array]) -> None:
    known = TwoLayers()
    W = torch.tensor(known.W, requires_grad=True)
    images = torch.tensor(known.x).view(3, 1, 2, 2).requires_grad_()
    logits = torch.tanh(images.flatten(1) @ W.T) @ torch.tensor(known.v)
    found = penalty(images, logits)
    np.testing.assert_allclose(found.detach().numpy(), of_norms(known.norms(known.W)), rtol=1e-12)
    found.mean().backward()
    expected, step = np.zeros_like(known.W), 1e-6
    for place in np.ndindex(*known.W.shape):
        nudge = np.zeros_like(known.W)
        nudge[place] = step
        above, below = (of_norms(known.norms(known.W + sign * nudge)).mean() for sign in (1, -1))
        expected[place] = (above - below) / (2 * step)
    assert W.grad is not None
    np.testing.assert_allclose(W.grad.numpy(), expected, rtol=1e-6, atol=1e-8)


def test_a_flat_discriminator_has_finite_gradients() -> None:
    """Where the gradient is 0 its norm has no derivative; nan would end the training."""
    slope = torch.zeros(4, requires_grad=True)
    images = torch.randn(3, 1, 2, 2, requires_grad=True)
    penalty = unit_norm_penalty(images, images.flatten(1) @ slope)
    assert penalty.tolist() == [1, 1, 1]
    penalty.sum().backward()
    assert slope.grad is not None
    assert torch.isfinite(slope.grad).all()


def test_between_is_on_the_line_of_each_pair() -> None:
    real, fake, mix = pictures(1), pictures(2), torch.tensor([0.0, 0.25, 1.0])
    images = between(real, fake, mix)
    for b, share in enumerate([0.0, 0.25, 1.0]):
        np.testing.assert_allclose(
            images[b].detach().numpy(), share * real[b].numpy() + (1 - share) * fake[b].numpy(), rtol=1e-12
        )
    assert images.is_leaf
    assert images.requires_grad
    assert images.dtype == torch.float64


@pytest.mark.parametrize("penalty", PENALTIES)
def test_images_must_require_grad(penalty: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match="require grad"):
        penalty(pictures(1), torch.zeros(3))


def test_several_batches_have_the_penalties_of_each() -> None:
    D = Quadratic()
    batches = [pictures(seed).requires_grad_() for seed in (1, 2)]
    apart = [gradient_penalty(images, D(images, CONDITION).logits) for images in batches]
    both = Condition(*(torch.cat([part, part]) for part in CONDITION))
    in_one_pass = D(torch.cat(batches), both).logits.chunk(2)
    for logits in ([D(images, CONDITION).logits for images in batches], in_one_pass):
        found = gradient_penalties([Judged(*pair) for pair in zip(batches, logits, strict=True)])
        torch.testing.assert_close(found, apart)


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    first, second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3)
    return nn.Sequential(first, nn.LeakyReLU(0.1), second, nn.Tanh(), nn.Flatten(), nn.Linear(256, 1))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 4e-2), (torch.float16, 5e-3)])
def test_under_autocast_the_penalty_is_that_of_float32(
    penalty: Callable[..., Tensor], dtype: torch.dtype, tolerance: float
) -> None:
    network = small_network()
    real = torch.randn(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    found = []
    for enabled in (False, True):
        images = real.clone().requires_grad_()
        with torch.autocast("cpu", dtype=dtype, enabled=enabled):
            logits = network(images).squeeze(1)
            assert logits.dtype == (dtype if enabled else torch.float32)
            value = penalty(images, logits)
            assert value.dtype == torch.float32
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(value.mean(), network[0].weight)])
        found.append((value.detach(), gradient))
    (value, gradient), (cast_value, cast_gradient) = found
    torch.testing.assert_close(cast_value, value, rtol=tolerance, atol=tolerance * value.max().item())
    assert torch.linalg.vector_norm(cast_gradient - gradient) < tolerance * torch.linalg.vector_norm(gradient)


@pytest.mark.parametrize("slope", [2e-5, 3e2])
def test_squares_leave_the_range_of_half_precision_unharmed(slope: float) -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.float16, requires_grad=True)
    penalty = gradient_penalty(images, images.flatten(1).sum(1) * slope)
    assert penalty.dtype == torch.float32
    exact = float(torch.tensor(slope, dtype=torch.float16))
    np.testing.assert_allclose(penalty.detach().numpy(), 16 * exact**2, rtol=5e-2)
