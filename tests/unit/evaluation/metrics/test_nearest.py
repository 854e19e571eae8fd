from __future__ import annotations

import pytest
import torch

from cgan_dist.evaluation.metrics import distances as distances_module
from cgan_dist.evaluation.metrics import nearest as module
from cgan_dist.evaluation.metrics.nearest import nearest


@pytest.mark.parametrize("blocks", [(256, 2_000), (7, 13)])
def test_distances_are_those_of_every_pair(blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUERIES", blocks[0])
    monkeypatch.setattr(distances_module, "ROWS", blocks[1])
    generator = torch.Generator().manual_seed(0)
    queries, base = torch.randn(30, 6, generator=generator), torch.randn(100, 6, generator=generator)
    distances, numbers = nearest(queries, base, k=4)
    every = (queries[:, None].double() - base.double()).norm(dim=2)
    expected = every.sort(dim=1)
    torch.testing.assert_close(distances, expected.values[:, :4], rtol=1e-12, atol=0)
    assert torch.equal(numbers, expected.indices[:, :4])


def test_a_copy_has_distance_zero_however_large_its_numbers_are() -> None:
    base = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) + 1e6
    distances, numbers = nearest(base[[7, 3]], base)
    assert distances.tolist() == [[0.0], [0.0]]
    assert numbers.tolist() == [[7], [3]]


def test_as_many_as_there_are() -> None:
    distances, numbers = nearest(torch.tensor([[0.0]]), torch.tensor([[3.0], [-1.0]]), k=2)
    assert distances.tolist() == [[1.0, 3.0]]
    assert numbers.tolist() == [[1, 0]]
