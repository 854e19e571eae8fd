from __future__ import annotations

import torch

from cgan_dist.conditioning.condition import Condition, Layout, mixed


def test_the_order_of_a_layout() -> None:
    layout = Layout(classes=(3, 4), bits=2, reals=1)
    assert (layout.one_hot, layout.values, layout.width) == (7, 3, 10)
    assert layout.plus_reals(5) == Layout((3, 4), 2, 1, 5)


def test_a_condition_as_a_vector() -> None:
    condition = Condition(torch.tensor([[1, 5], [0, 3]]), torch.tensor([[1.0, 0.5], [0.0, -2.0]]))
    assert condition.vector(9).tolist() == [
        [0, 1, 0, 0, 0, 1, 0, 1, 0.5],
        [1, 0, 0, 1, 0, 0, 0, 0, -2],
    ]


def test_classes_and_values() -> None:
    assert Condition.of_classes(torch.tensor([2, 0])).vector(3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert Condition.of_values(torch.tensor([[0.0, 1.0]])).vector(2).tolist() == [[0, 1]]


def test_halfway_between_two_classes() -> None:
    cat, dog = Condition.of_classes(torch.tensor([0])), Condition.of_classes(torch.tensor([2]))
    assert mixed(cat, dog, 0.25, 3).vector(3).tolist() == [[0.75, 0, 0.25]]


def test_chunks_are_slices_of_both_tensors() -> None:
    condition = Condition(torch.arange(4)[:, None], torch.arange(8.0).view(4, 2))
    first, second = condition.chunk(2)
    assert first.ones.tolist() == [[0], [1]]
    assert second.values.tolist() == [[4, 5], [6, 7]]


def test_reals_are_appended() -> None:
    condition = Condition.of_classes(torch.tensor([1])).plus_reals([torch.tensor([[7.0]]), torch.tensor([[8.0, 9.0]])])
    assert condition.vector(5).tolist() == [[0, 1, 7, 8, 9]]
