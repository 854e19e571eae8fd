"""The multi-hinge loss (Kavalerov et al. 2021, arXiv:1912.04216) against explicit loops in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import Role
from cgan_dist.conditioning.discriminator.multi_hinge import MultiHinge
from cgan_dist.errors import UserError

CLASSES = 3
LAYOUT = Layout(classes=(CLASSES,))
LABELS = [2, 0, 1, 2]
CONDITION = Condition.of_classes(torch.tensor(LABELS))


def scores(seed: int) -> Tensor:
    """(4, 3 + 1)."""
    return torch.randn(4, CLASSES + 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2


def by_hand(reading: list[list[float]], targets: list[int]) -> float:
    total = 0.0
    for row, target in zip(reading, targets, strict=True):
        wrong = max(score for place, score in enumerate(row) if place != target)
        total += max(0.0, 1 - row[target] + wrong)
    return total / len(targets)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("role", ["real", "fake", "generator"])
def test_the_loss_is_that_of_loops(seed: int, role: Role) -> None:
    reading, targets = scores(seed), [CLASSES] * 4 if role == "fake" else LABELS
    loss = MultiHinge(LAYOUT, weight=0.3).loss(reading, CONDITION, role)
    assert loss.item() == pytest.approx(by_hand(reading.tolist(), targets), rel=1e-12)


def test_the_gradient_is_on_the_target_and_its_nearest_rival_and_nowhere_beyond_the_margin() -> None:
    reading = torch.tensor(
        [[0.0, 0.2, 0.5, 0.1], [9.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 1.5, 0.0]],
        dtype=torch.float64,
        requires_grad=True,
    )
    MultiHinge(LAYOUT).loss(reading, CONDITION, "real").backward()
    quarter = 1 / 4
    assert reading.grad is not None
    assert reading.grad.tolist() == [
        [0.0, quarter, -quarter, 0.0],
        [0.0, 0.0, 0.0, 0.0],  # right by more than 1
        [0.0, -quarter, 0.0, quarter],  # taken for a fake
        [0.0, 0.0, 0.0, 0.0],
    ]


def test_the_reading_has_a_score_more_than_there_are_classes() -> None:
    way = MultiHinge(LAYOUT, weight=0.3)
    assert way.weight == 0.3
    assert way.reading(6)(torch.randn(4, 6), CONDITION).shape == (4, CLASSES + 1)


@pytest.mark.parametrize("layout", [Layout(bits=3), Layout(reals=1), Layout(classes=(2, 3)), Layout((3,), bits=1)])
def test_other_labels_than_classes_are_refused(layout: Layout) -> None:
    with pytest.raises(UserError, match=r"conditioning.discriminator: 'multi_hinge' needs class labels"):
        MultiHinge(layout)
