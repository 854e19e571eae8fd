"""The auxiliary classifier's loss (Odena et al. 2017, arXiv:1610.09585) against explicit loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.auxiliary import Auxiliary
from cgan_dist.conditioning.discriminator.base import Role

Array = np.ndarray
BATCH = 5


def by_hand(reading: Array, index: Array, values: Array, layout: Layout) -> float:
    """-log softmax, -log sigmoid, squared error, one entry at a time; means over images and entries of a kind."""
    total, first = 0.0, 0
    for group, size in enumerate(layout.classes):
        for b in range(BATCH):
            scores = [math.exp(reading[b, first + c]) for c in range(size)]
            total -= math.log(scores[index[b, group] - first] / sum(scores)) / BATCH
        first += size
    for bit in range(layout.bits):
        for b in range(BATCH):
            chance = 1 / (1 + math.exp(-reading[b, first + bit]))
            total -= math.log(chance if values[b, bit] else 1 - chance) / BATCH / layout.bits
    for real in range(layout.reals):
        for b in range(BATCH):
            difference = reading[b, first + layout.bits + real] - values[b, layout.bits + real]
            total += difference**2 / BATCH / layout.reals
    return total


LAYOUTS = {
    "classes": Layout(classes=(7,)),
    "two groups": Layout(classes=(3, 4)),
    "bits": Layout(bits=4),
    "reals": Layout(reals=2),
    "everything": Layout(classes=(3, 2), bits=4, reals=2),
}


def batch_of(layout: Layout, seed: int = 0) -> tuple[Tensor, Condition]:
    """A reading and labels of every kind in the layout."""
    numbers = np.random.default_rng(seed)
    starts = np.cumsum([0, *layout.classes])
    index = [starts[g] + numbers.integers(0, size, BATCH) for g, size in enumerate(layout.classes)]
    values = np.concatenate(
        [numbers.integers(0, 2, (BATCH, layout.bits)), numbers.uniform(-1, 1, (BATCH, layout.reals))], axis=1
    )
    indexes = torch.tensor(np.array(index, dtype=np.int64).reshape(len(index), BATCH).T)
    return torch.tensor(numbers.normal(size=(BATCH, layout.width))), Condition(indexes, torch.tensor(values))


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_loss_is_that_of_loops(kind: str) -> None:
    layout = LAYOUTS[kind]
    reading, condition = batch_of(layout)
    loss = Auxiliary(layout).loss(reading, condition, "real")
    assert loss is not None
    expected = by_hand(reading.numpy(), condition.ones.numpy(), condition.values.numpy(), layout)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("on_fakes", "roles"), [(False, ["real", "generator"]), (True, ["real", "fake", "generator"])])
def test_who_pays(on_fakes: bool, roles: list[Role]) -> None:
    layout = LAYOUTS["classes"]
    way, (reading, condition) = Auxiliary(layout, weight=0.3, on_fakes=on_fakes), batch_of(layout)
    every: list[Role] = ["real", "fake", "generator"]
    assert [role for role in every if way.loss(reading, condition, role) is not None] == roles
    assert way.weight == 0.3


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_right_reading_costs_next_to_nothing_and_each_wrong_entry_something(kind: str) -> None:
    layout = LAYOUTS[kind]
    way, (_, condition) = Auxiliary(layout), batch_of(layout)
    vector = condition.vector(layout.width)
    right = torch.where(torch.arange(layout.width) < layout.width - layout.reals, (vector * 2 - 1) * 20, vector)
    loss = way.loss(right, condition, "real")
    assert loss is not None
    assert loss.item() < 1e-6
    for entry in range(layout.width):
        wrong = right.clone()
        wrong[0, entry] = -wrong[0, entry] if entry < layout.width - layout.reals else wrong[0, entry] + 1
        worse = way.loss(wrong, condition, "real")
        assert worse is not None
        assert worse.item() > 0.09


def test_the_reading_has_one_output_for_each_entry_and_does_not_look_at_the_label() -> None:
    layout = LAYOUTS["everything"]
    layer, features = Auxiliary(layout).reading(6), torch.randn(BATCH, 6)
    one, other = (layer(features, batch_of(layout, seed)[1]) for seed in (0, 1))
    assert one.shape == (BATCH, layout.width)
    assert torch.equal(one, other)


def test_with_dim_the_features_are_brought_to_it_first() -> None:
    layout, features = LAYOUTS["everything"], torch.randn(BATCH, 6)
    layer = Auxiliary(layout, dim=2).reading(6)
    first, last, bias = (layer.get_parameter(name) for name in ("features.weight", "weight", "bias"))
    assert (first.shape, last.shape) == ((2, 6), (layout.width, 2))
    reading = layer(features, batch_of(layout)[1])
    assert torch.allclose(reading, features @ first.T @ last.T + bias, atol=1e-6)
    assert list(Auxiliary(layout).reading(6).state_dict()) == ["weight", "bias"]  # as in checkpoints without dim
