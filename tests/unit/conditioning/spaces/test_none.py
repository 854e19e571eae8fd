from __future__ import annotations

from typing import Any

import pytest
import torch

from cgan_dist.conditioning.spaces.none import Unlabelled
from cgan_dist.errors import UserError
from cgan_dist.grid import draw_grid
from cgan_dist.labels import AttributeLabels, ClassLabels, NoLabels

SPACE = Unlabelled(NoLabels())


@pytest.mark.parametrize(
    ("schema", "stored"),
    [
        (NoLabels(), torch.empty(3, 0, dtype=torch.uint8)),
        (ClassLabels(names=["cat", "dog"]), torch.tensor([0, 1, 1])),
        (AttributeLabels(names=["hat"]), torch.zeros(3, 1, dtype=torch.uint8)),
    ],
)
def test_whatever_the_data_has_is_ignored(schema: Any, stored: torch.Tensor) -> None:
    space = Unlabelled(schema)
    own = space.select(stored)
    assert (own.shape, space.layout.width, space.schema) == ((3, 0), 0, NoLabels())
    space.schema.check(own.numpy(), "here")
    condition = space.encode(own)
    assert (condition.ones.shape, condition.values.shape) == ((3, 0), (3, 0))
    assert condition.vector(0).shape == (3, 0)


@pytest.mark.parametrize("text", ["", "any", " any "])
def test_anything_can_be_asked_for(text: str) -> None:
    assert SPACE.parse(text).shape == (1, 0)


def test_something_cannot() -> None:
    with pytest.raises(UserError, match="labels '3': conditioning.labels is none, so there is nothing to ask for"):
        SPACE.parse("3")


def test_a_grid_has_a_few_columns_without_names() -> None:
    assert (SPACE.grid(3).shape, SPACE.grid(100).shape) == ((3, 0), (8, 0))
    names = SPACE.describe(SPACE.grid(3))
    assert [name.strip() for name in names] == [""] * 3
    cells = torch.zeros(2, 3, 8, 8, 1, dtype=torch.uint8).numpy()
    assert draw_grid(cells, names).size[0] > 3 * 8
