"""Adam by rows, beside torch's optimizers and what they have saved."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.distributed import gradients
from cgan_dist.training.row_adam import RowAdam

RATE, BETAS = 0.1, (0.5, 0.9)
BATCHES = [[3, 3, 0], [5, 1, 5], [3, 4, 1], [0, 0, 0]]


def table_of(rows: int = 6) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, 4, generator=torch.Generator().manual_seed(1)))


def gradient(table: Tensor, rows: list[int]) -> Tensor:
    values = torch.randn(len(rows), 4, generator=torch.Generator().manual_seed(sum(rows)))
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, table.shape, check_invariants=True)


def merged(sparse: Tensor) -> Tensor:
    return gradients.merged(sparse, entries=4)


def moved(optimizer: torch.optim.Optimizer, table: nn.Parameter, batches: list[list[int]], form: Callable) -> Tensor:
    for rows in batches:
        table.grad = form(gradient(table, rows))
        optimizer.step()
    return table.detach()


@pytest.mark.parametrize("fused", [False, True])
def test_rows_move_as_those_of_sparse_adam(fused: bool) -> None:
    ours, theirs = table_of(), table_of()
    own, other = RowAdam([ours], RATE, BETAS, fused=fused), torch.optim.SparseAdam([theirs], RATE, BETAS)
    torch.testing.assert_close(moved(own, ours, BATCHES, merged), moved(other, theirs, BATCHES, lambda grad: grad))
    for key in ("exp_avg", "exp_avg_sq"):
        torch.testing.assert_close(own.state[ours][key], other.state[theirs][key])
    assert own.state[ours]["step"].item() == other.state[theirs]["step"] == len(BATCHES)


@pytest.mark.parametrize("fused", [False, True])
def test_where_every_batch_has_every_row_it_is_adam_to_the_last_bit(fused: bool) -> None:
    ours, theirs, batches = table_of(3), table_of(3), [[2, 0, 1], [0, 1, 2]]
    own = RowAdam([ours], RATE, BETAS, fused=fused)
    other = torch.optim.Adam([theirs], RATE, BETAS, fused=fused, foreach=False)
    assert torch.equal(moved(own, ours, batches, merged), moved(other, theirs, batches, Tensor.to_dense))


def test_two_tables_of_a_group_move_as_each_alone() -> None:
    alone = [table_of(), table_of(7)]
    for table in alone:
        moved(RowAdam([table], RATE, BETAS, fused=True), table, BATCHES, merged)
    together = [table_of(), table_of(7)]
    optimizer = RowAdam(together, RATE, BETAS, fused=True)
    for rows in BATCHES:
        for table in together:
            table.grad = merged(gradient(table, rows))
        optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(together, alone, strict=True))


def test_a_fused_one_that_is_told_so_leaves_all_as_it_is() -> None:
    table = table_of()
    optimizer = RowAdam([table], RATE, BETAS, fused=True)
    moved(optimizer, table, BATCHES[:1], merged)
    before = [table.detach().clone(), *(value.clone() for value in optimizer.state[table].values())]
    optimizer.found_inf = torch.ones(())
    moved(optimizer, table, BATCHES[1:2], lambda grad: merged(grad * float("nan")))
    after = [table.detach(), *optimizer.state[table].values()]
    assert all(torch.equal(one, other) for one, other in zip(after, before, strict=True))


@pytest.mark.parametrize("fused", [False, True])
def test_it_goes_on_from_what_sparse_adam_has_saved(fused: bool) -> None:
    theirs = table_of()
    other = torch.optim.SparseAdam([theirs], RATE, BETAS)
    moved(other, theirs, BATCHES[:2], lambda grad: grad)
    ours = nn.Parameter(theirs.detach().clone())
    own = RowAdam([ours], RATE, BETAS, fused=fused)
    own.load_state_dict(copy.deepcopy(other.state_dict()))
    assert own.state[ours]["step"].dtype == torch.float32
    torch.testing.assert_close(
        moved(own, ours, BATCHES[2:], merged), moved(other, theirs, BATCHES[2:], lambda grad: grad)
    )


def test_sparse_adam_goes_on_from_what_it_has_saved() -> None:
    ours = table_of()
    own = RowAdam([ours], RATE, BETAS)
    moved(own, ours, BATCHES[:2], merged)
    theirs = nn.Parameter(ours.detach().clone())
    other = torch.optim.SparseAdam([theirs], RATE, BETAS)
    other.load_state_dict(copy.deepcopy(own.state_dict()))
    torch.testing.assert_close(
        moved(own, ours, BATCHES[2:], merged), moved(other, theirs, BATCHES[2:], lambda grad: grad)
    )


def test_a_table_without_a_gradient_is_left_alone() -> None:
    table = table_of()
    optimizer = RowAdam([table], RATE, BETAS)
    optimizer.step()
    assert not optimizer.state
    assert torch.equal(table, table_of())
