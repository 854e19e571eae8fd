from __future__ import annotations

import pytest
import torch

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.linear import ConditionLinear, rows_only_
from tests.unit.conditioning.conditions import layouts_and_conditions


@pytest.mark.parametrize("kind", ["classes", "multi-hot", "real", "product", "mixture of classes"])
def test_it_is_the_product_of_the_vector_and_the_matrix(kind: str) -> None:
    layout, condition = layouts_and_conditions(10)[kind]
    layer = ConditionLinear(layout, 3).double()
    torch.testing.assert_close(layer(condition), condition.vector(10) @ layer.matrix())


def test_a_matrix_is_cut_into_table_and_weight() -> None:
    layer, matrix = ConditionLinear(Layout(classes=(2,), bits=1), 2), torch.arange(6.0).view(3, 2)
    layer.assign(matrix)
    assert layer.table is not None
    assert layer.weight is not None
    assert (layer.table.tolist(), layer.weight.tolist()) == ([[0, 1], [2, 3]], [[4, 5]])
    assert torch.equal(layer.matrix(), matrix)


def test_rows_only_gradients_hold_the_rows_of_the_batch() -> None:
    layer = ConditionLinear(Layout(classes=(1000,), reals=2), 3)
    assert rows_only_(torch.nn.Sequential(layer), at_least=1001) == []
    assert rows_only_(torch.nn.Sequential(layer), at_least=1000) == [layer.table]
    condition = Condition(torch.tensor([[5], [5], [700]]), torch.ones(3, 2))
    layer(condition).sum().backward()
    assert layer.table is not None
    assert layer.table.grad is not None
    assert layer.table.grad.is_sparse
    assert layer.table.grad.coalesce().indices().tolist() == [[5, 700]]
    assert layer.table.grad.coalesce().values()[:, 0].tolist() == [2, 1]
    assert layer.weight is not None
    assert layer.weight.grad is not None
    assert not layer.weight.grad.is_sparse
