from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from cgan_dist.evaluation.metrics import distances
from cgan_dist.evaluation.metrics.distances import lowest, lowest_of_others, squared_distances
from tests.unit.evaluation.metrics.sets import normal

ONE, OTHER = normal(30, 6, seed=0), normal(50, 6, seed=1)


@pytest.fixture(params=[2_000, 13, 1])  # in one go, in blocks of which the last is smaller, and vector by vector
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "ROWS", request.param)


def expected(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(cdist(one.double(), other.double()) ** 2)


@pytest.mark.usefixtures("_blocks")
def test_every_pair_comes_once() -> None:
    found, times = torch.zeros(30, 50, dtype=torch.float64), torch.zeros(30, 50)
    for rows, columns, squares in squared_distances(ONE, OTHER):
        found[rows, columns] = squares
        times[rows, columns] += 1
    assert bool((times == 1).all())
    torch.testing.assert_close(found, expected(ONE, OTHER), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("k", [1, 4, 30])
def test_the_lowest_are_those_of_all_pairs(k: int) -> None:
    found = lowest(ONE, OTHER, k)
    every = expected(ONE, OTHER).sort(dim=1)
    torch.testing.assert_close(found.squares, every.values[:, :k], rtol=1e-12, atol=1e-12)
    assert torch.equal(found.numbers, every.indices[:, :k])


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("k", [1, 4, 29])
def test_within_a_set_nothing_is_near_to_itself(k: int) -> None:
    values = torch.cat([ONE[:28], ONE[5:7]])  # two of them twice
    found = lowest_of_others(values, k)
    every = expected(values, values).fill_diagonal_(torch.inf).sort(dim=1)
    torch.testing.assert_close(found.squares, every.values[:, :k], rtol=1e-12, atol=1e-12)
    assert not bool((found.numbers == torch.arange(30)[:, None]).any())
    assert found.numbers[5, 0] == 28
    assert found.numbers[29, 0] == 6


def test_distances_of_far_away_points_keep_their_digits() -> None:
    values = normal(20, 3, seed=0).double() + 1e3
    ((rows, columns, squares),) = squared_distances(values, values)
    assert (rows, columns) == (slice(0, 20), slice(0, 20))
    np.testing.assert_allclose(squares, cdist(values.numpy(), values.numpy()) ** 2, atol=1e-8)
    assert squares.min() == 0
