from __future__ import annotations

import json
import math

import pytest
import torch

from cgan_dist.training.meter import Meter, finite_means


def test_the_meter_averages_between_log_lines() -> None:
    meter = Meter()
    for value in (1.0, 2.0, 6.0):
        meter.add({"a": torch.tensor(value)})
    meter.add({"b": torch.tensor(5.0)})
    assert {name: float(mean) for name, mean in meter.means().items()} == {"a": 3.0, "b": 5.0}
    meter.reset()
    assert meter.means() == {}


def test_what_is_not_finite_does_not_spoil_a_mean() -> None:
    meter = Meter()
    for value in (1.0, math.nan, 2.0, math.inf, -math.inf, 6.0):
        meter.add({"a": torch.tensor(value), "b": torch.tensor(math.nan)})
    assert finite_means(meter.state()) == {"a": 3.0}
    assert {name: int(count) for name, count in meter.counts.items()} == {"a": 3, "b": 0}
    assert list(meter.means()) == ["a", "b"], "names are the same on every rank, whatever the values are"
    assert meter.means()["b"].isnan()


def test_scalars_may_come_and_go() -> None:
    meter = Meter()
    meter.add({})
    assert (meter.means(), meter.state(), meter.counts) == ({}, {"sums": {}, "counts": {}}, {})
    meter.add({"d": torch.tensor(1.0), "penalty": torch.tensor(8.0)})
    meter.add({"d": torch.tensor(3.0)})
    meter.add({"g": torch.tensor(5.0, dtype=torch.bfloat16)})
    assert finite_means(meter.state()) == {"d": 2.0, "penalty": 8.0, "g": 5.0}


def test_the_mean_over_ranks_is_that_of_all_finite_values() -> None:
    ranks = [Meter(), Meter()]
    for meter, values in zip(ranks, ([1.0, math.nan], [2.0, 6.0]), strict=True):
        for value in values:
            meter.add({"a": torch.tensor(value), "b": torch.tensor(math.nan)})
    mean = torch.stack([meter.totals for meter in ranks]).mean(0)
    assert finite_means(ranks[0].state(lambda own: mean)) == {"a": 3.0}


def test_adding_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object) -> None:
        raise AssertionError("the host waits for the device")

    meter = Meter()
    for name in ("item", "__bool__", "__float__", "tolist", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, wait)
    meter.add({"a": torch.tensor(1.0), "b": torch.tensor(math.nan)})
    meter.add({"b": torch.tensor(3.0)})
    monkeypatch.undo()
    assert finite_means(meter.state()) == {"a": 1.0, "b": 3.0}


def test_an_open_interval_survives_a_checkpoint_exactly() -> None:
    whole, first, second = Meter(), Meter(), Meter()
    values = [0.1, 0.7, math.nan, 0.3, 0.9, 1 / 3]
    for value in values:
        whole.add({"a": torch.tensor(value), "never": torch.tensor(math.nan)})
    for value in values[:3]:
        first.add({"a": torch.tensor(value), "never": torch.tensor(math.nan)})
    second.add({"gone": torch.tensor(1.0)})
    second.restore(json.loads(json.dumps(first.state())), torch.device("cpu"))
    for value in values[3:]:
        second.add({"a": torch.tensor(value), "never": torch.tensor(math.nan)})
    assert second.state() == whole.state()
    second.restore({"sums": {}, "counts": {}}, torch.device("cpu"))
    assert second.means() == {}
