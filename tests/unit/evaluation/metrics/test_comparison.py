from __future__ import annotations

import torch

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.evaluation.metrics.comparison import compare


def test_each_kind_is_compared_in_its_own_way() -> None:
    layout = Layout(classes=(2, 3), bits=2, reals=1)
    condition = Condition(torch.tensor([[1, 2], [0, 4]]), torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, -1.0]]))
    reading = torch.tensor(
        [
            [0.0, 9.0, 5.0, 1.0, 2.0, 0.1, -3.0, 0.0],
            [1.0, 2.0, 5.0, 1.0, 2.0, 0.1, 3.0, 7.0],
        ]
    )
    found = compare(reading, condition, layout)
    assert found.classes.tolist() == [[1, 1], [0, 0]]
    assert found.bits.tolist() == [[1, 1], [0, 1]]
    assert found.reals.tolist() == [[0.25], [1.0]]  # an estimate outside of the range counts as its end
    means = found.means()
    assert [part.tolist() for part in means] == [[0.5, 0.5], [0.5, 1.0], [0.625]]


def test_what_is_not_there_is_not_compared() -> None:
    found = compare(torch.randn(4, 3), Condition.of_classes(torch.tensor([0, 1, 2, 0])), Layout(classes=(3,)))
    assert [tuple(part.shape) for part in found] == [(4, 1), (4, 0), (4, 0)]
