"""The data-to-data cross-entropy (Kang et al. 2021, arXiv:2111.01118, eq. 6) against explicit loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.d2d_ce import D2DCrossEntropy, ImageAndProxy
from cgan_dist.errors import UserError

LAYOUT = Layout(classes=(4,))
LABELS = [2, 0, 2, 3, 0, 0]
CONDITION = Condition.of_classes(torch.tensor(LABELS))


def vectors(seed: int, count: int = len(LABELS), dim: int = 3) -> Tensor:
    """(count, 2, dim): image and proxy, of length 1."""
    numbers = torch.randn(count, 2, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return numbers / numbers.norm(dim=2, keepdim=True)


def by_hand(reading: Tensor, labels: list[int], temperature: float, margin: float) -> float:
    """One image, one pair at a time."""
    f, v = reading[:, 0].tolist(), reading[:, 1].tolist()

    def dot(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    total = 0.0
    for i, label in enumerate(labels):
        positive = math.exp(min(0.0, dot(f[i], v[i]) - margin) / temperature)
        negatives = 0.0
        for j, other in enumerate(labels):
            if other != label:
                negatives += math.exp(max(0.0, dot(f[i], f[j]) - (1 - margin)) / temperature)
        total -= math.log(positive / (positive + negatives))
    return total / len(labels)


@pytest.mark.parametrize(("temperature", "margin"), [(0.5, 0.98), (0.25, 0.9), (1.0, 1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_that_of_loops(seed: int, temperature: float, margin: float) -> None:
    way, reading = D2DCrossEntropy(LAYOUT, temperature=temperature, margin=margin), vectors(seed)
    for role in ("real", "generator"):
        loss = way.loss(reading, CONDITION, role)
        assert loss is not None
        assert loss.item() == pytest.approx(by_hand(reading, LABELS, temperature, margin), rel=1e-12)
    assert way.loss(reading, CONDITION, "fake") is None


def test_images_of_one_class_alone_cost_nothing_and_have_finite_gradients() -> None:
    reading = vectors(0, 3).requires_grad_()
    loss = D2DCrossEntropy(LAYOUT).loss(reading, Condition.of_classes(torch.tensor([1, 1, 1])), "real")
    assert loss is not None
    assert loss.item() == 0
    loss.backward()
    assert reading.grad is not None
    assert torch.isfinite(reading.grad).all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    reading, step = vectors(1).requires_grad_(), 1e-6
    loss = D2DCrossEntropy(LAYOUT).loss(reading, CONDITION, "real")
    assert loss is not None
    loss.backward()
    expected = torch.zeros_like(reading)
    for place in np.ndindex(*reading.shape):
        above, below = reading.detach().clone(), reading.detach().clone()
        above[place] += step
        below[place] -= step
        difference = by_hand(above, LABELS, 0.5, 0.98) - by_hand(below, LABELS, 0.5, 0.98)
        expected[place] = difference / (2 * step)
    assert reading.grad is not None
    torch.testing.assert_close(reading.grad, expected, rtol=1e-6, atol=1e-8)


def test_pairs_beyond_their_margins_have_no_gradient() -> None:
    """Easy ones are left alone: an image within m_p of its proxy, and two images further apart than m_n."""
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    reading = torch.stack([image, image], dim=1).requires_grad_()
    loss = D2DCrossEntropy(LAYOUT).loss(reading, Condition.of_classes(torch.tensor([0, 1])), "real")
    assert loss is not None
    assert loss.item() == pytest.approx(math.log(2), rel=1e-12)
    loss.backward()
    assert torch.equal(reading.grad, torch.zeros_like(reading))


def test_the_reading_is_unit_vectors_of_image_and_class() -> None:
    torch.manual_seed(0)
    layer, features = ImageAndProxy(LAYOUT, 6, 3), torch.randn(len(LABELS), 6)
    reading = layer(features, CONDITION)
    assert reading.shape == (len(LABELS), 2, 3)
    torch.testing.assert_close(reading.norm(dim=2), torch.ones(len(LABELS), 2))
    assert torch.equal(reading[0, 1], reading[2, 1])  # the same class
    assert not torch.allclose(reading[0, 1], reading[1, 1])
    image = layer.linear(features)
    torch.testing.assert_close(reading[:, 0], image / image.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("layout", [Layout(bits=3), Layout(reals=1), Layout(classes=(2, 3)), Layout((3,), bits=1)])
def test_other_labels_than_classes_are_refused(layout: Layout) -> None:
    with pytest.raises(UserError, match=r"conditioning.discriminator: 'd2d_ce' needs class labels.*projection"):
        D2DCrossEntropy(layout)
