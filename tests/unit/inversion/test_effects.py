from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Layout
from cgan_dist.evaluation.metrics.classifier import Classifier
from cgan_dist.inversion.effects import effect_of
from tests.unit.inversion.finding import sampler_of


class Plain(Classifier):
    """Reads the first pixels as what they say, times 10."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(1, (6, 6), layout)
        self.count = layout.width

    def forward(self, images: Tensor) -> Tensor:
        return (images.float().flatten(1)[:, : self.count] - 100) / 10


def images(*rows: list[int]) -> Tensor:
    found = torch.zeros(len(rows), 1, 6, 6, dtype=torch.uint8)
    for number, row in enumerate(rows):
        found[number].view(-1)[: len(row)] = torch.tensor(row, dtype=torch.uint8)
    return found


def test_what_was_asked_and_what_stayed_are_counted_apart() -> None:
    space = sampler_of("product").label_space
    before = images([200, 0, 0, 0, 0, 200], [200, 0, 0, 0, 0, 200])
    after = images([200, 0, 0, 0, 200, 200], [0, 200, 0, 0, 0, 200])  # the first has a hat now, the other another class
    labels = torch.tensor([[0.0, 0, 1]] * 2), torch.tensor([[0.0, 1, 1]] * 2)
    effect = effect_of(Plain(space.layout), space, (before, after), labels)
    assert effect.asked == 0.5
    assert effect.kept == pytest.approx(3 / 4)
    assert effect.moved is None


def test_a_class_that_changes_is_read_as_asked() -> None:
    space = sampler_of("classes").label_space
    effect = effect_of(
        Plain(space.layout),
        space,
        (images([200, 0, 0, 0], [0, 0, 200, 0]), images([0, 200, 0, 0], [0, 200, 0, 0])),
        (torch.tensor([0, 2]), torch.tensor([1, 1])),
    )
    assert effect == (1.0, None, None)


def test_values_that_stay_have_moved_so_far() -> None:
    space = sampler_of("classes and pose").label_space
    pictures = images([200, 0, 0, 0, 100]), images([0, 200, 0, 0, 102])
    labels = torch.tensor([[0.0, 45]]), torch.tensor([[1.0, 45]])
    effect = effect_of(Plain(space.layout), space, pictures, labels)
    assert effect.asked == 1
    assert effect.moved == pytest.approx(0.1)
