"""Sparse gradients whose rows are added up without a count."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.distributed.gradients import merged, reduce_rows
from cgan_dist.distributed.group import build_accelerator


def sparse(rows: list[int], table_rows: int = 9, seed: int = 0) -> Tensor:
    values = torch.randn(len(rows), 3, generator=torch.Generator().manual_seed(seed))
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (table_rows, 3), check_invariants=True)


ROWS = [[4], [4, 4], [7, 2, 7, 0, 2, 7], [0, 1, 2], [2, 1, 0], [8, 8, 8, 3]]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("more", [0, 1, 9])
def test_a_merged_gradient_is_equal_and_as_long_as_wanted(rows: list[int], more: int) -> None:
    gradient, entries = sparse(rows), len(set(rows)) + more
    found = merged(gradient, entries)
    torch.testing.assert_close(found.to_dense(), gradient.to_dense())
    assert found._nnz() == entries


@pytest.mark.parametrize("rows", ROWS)
def test_sums_stand_first_in_the_order_of_rows_and_zeros_for_the_first_row_behind(rows: list[int]) -> None:
    found, expected = merged(sparse(rows), len(rows)), sparse(rows).coalesce()
    different = sorted(set(rows))
    assert found._indices()[0].tolist() == different + [different[0]] * (len(rows) - len(different))
    assert torch.equal(found._values()[: len(different)], expected.values())
    assert not found._values()[len(different) :].any()


def test_merging_once_more_changes_nothing() -> None:
    once = merged(sparse([7, 2, 7, 0, 2, 7]), 5)
    twice = merged(once, 5)
    assert torch.equal(twice._indices(), once._indices())
    assert torch.equal(twice._values(), once._values())


def test_one_process_leaves_its_own_rows_merged() -> None:
    table = nn.Parameter(torch.zeros(9, 3))
    table.grad = sparse([5, 1, 5, 1])
    expected = table.grad.to_dense()
    reduce_rows(build_accelerator("no"), [table], at_most=2)
    assert table.grad.is_sparse
    assert table.grad._indices().tolist() == [[1, 5]]
    torch.testing.assert_close(table.grad.to_dense(), expected)
