from __future__ import annotations

import pytest
import torch
from torch import nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.config import AdamConfig, parse_config
from cgan_dist.distributed import build_accelerator
from cgan_dist.optimizer import NetworkOptimizer, large_tables


class Network(nn.Module):
    """A table of classes and a linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.linear = ConditionLinear(Layout(classes=(classes,)), 3), nn.Linear(3, 1)

    def forward(self, labels: list[int]) -> torch.Tensor:
        return self.linear(self.table(Condition.of_classes(torch.tensor(labels)))).sum()


def updated(network: Network, tables: list[nn.Parameter], steps: list[list[int]]) -> NetworkOptimizer:
    config = parse_config({"data": {"path": "x"}, "optim": {"lr": 0.1, "betas": [0.5, 0.9]}}, "test").optim
    optimizer = NetworkOptimizer(build_accelerator("no"), network, config, tables)
    for number, labels in enumerate(steps):
        network(labels).backward()
        optimizer.step(number)
    return optimizer


def test_all_rows_in_every_batch_make_rows_and_dense_the_same() -> None:
    dense, rows = Network(4), Network(4)
    updated(dense, [], [[0, 1, 2, 3, 3]] * 5)
    updated(rows, large_tables(rows, "rows"), [[0, 1, 2, 3, 3]] * 5)
    for ours, theirs in zip(rows.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_rows_outside_the_batch_stay_where_dense_adam_moves_them_on() -> None:
    dense, rows = Network(4), Network(4)
    updated(dense, [], [[0, 1], [2, 3]])
    updated(rows, large_tables(rows, "rows"), [[0, 1], [2, 3]])
    once = Network(4)
    updated(once, large_tables(once, "rows"), [[0, 1]])
    assert torch.equal(rows.table.table[:2], once.table.table[:2])
    assert not torch.allclose(dense.table.table[:2], once.table.table[:2])


@pytest.mark.parametrize(
    ("tables", "classes", "large"), [("auto", 639, 0), ("auto", 640, 1), ("dense", 10_000, 0), ("rows", 2, 1)]
)
def test_which_tables_are_large(tables: str, classes: int, large: int) -> None:
    assert len(large_tables(Network(classes), tables)) == large  # type: ignore[arg-type]


def test_rates_follow_their_schedules_and_survive_a_restore() -> None:
    schedule = {"start": 0.1, "end": 0.2, "end_images": 10, "shape": "linear"}
    values = {"data": {"path": "x"}, "optim": {"lr": schedule, "betas": [schedule, 0.9]}}
    config: AdamConfig = parse_config(values, "test").optim
    network = Network(4)
    optimizer = NetworkOptimizer(build_accelerator("no"), network, config, [])
    for images_seen, expected in ((0, 0.1), (5, 0.15), (10, 0.2), (99, 0.2)):
        network([0]).backward()
        optimizer.step(images_seen)
        group = optimizer.optimizers["adam"].param_groups[0]
        assert (group["lr"], group["betas"]) == (pytest.approx(expected), (pytest.approx(expected), 0.9))
    fresh = NetworkOptimizer(build_accelerator("no"), Network(4), config, [])
    for name, state in optimizer.state().items():
        fresh.restore(name, state)
    assert torch.equal(fresh.state()["adam"]["state"][0]["exp_avg"], optimizer.state()["adam"]["state"][0]["exp_avg"])
