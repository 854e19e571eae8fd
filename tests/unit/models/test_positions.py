from __future__ import annotations

import math

import pytest
import torch

from cgan_dist.models.positions import sine_cosine, turned, turns


def test_sines_and_cosines_of_row_and_column() -> None:
    places = sine_cosine((3, 5), 8)
    assert places.shape == (15, 8)
    row, column = 2, 3
    waves = [f(place * rate) for place in (row, column) for f in (math.sin, math.cos) for rate in (1.0, 0.01)]
    assert places[row * 5 + column].tolist() == pytest.approx(waves, abs=1e-6)


def test_products_of_turned_values_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 16)
    by = turns((4, 6), 16)
    products = turned(query.expand(1, 1, 24, 16), by)[0, 0] @ turned(key.expand(1, 1, 24, 16), by)[0, 0].T
    near = products.view(4, 6, 4, 6)
    torch.testing.assert_close(near[0, 0, 1, 2], near[2, 3, 3, 5])
    torch.testing.assert_close(near[3, 1, 1, 4], near[2, 2, 0, 5])
    assert not torch.isclose(near[0, 0, 1, 2], near[0, 0, 2, 1])


def test_what_stands_before_the_patches_is_not_turned() -> None:
    values = torch.randn(1, 2, 7, 8)
    by = turns((2, 3), 8, before=1)
    found = turned(values, by)
    torch.testing.assert_close(found[:, :, :2], values[:, :, :2])  # the token, and the patch at (0, 0)
    torch.testing.assert_close(found.norm(dim=-1), values.norm(dim=-1))
    assert not torch.allclose(found[:, :, 2:], values[:, :, 2:])
