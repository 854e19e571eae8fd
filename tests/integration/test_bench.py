"""What bench/on_gpu.py does on a GPU, as far as it can be tried without one."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.launching import ROOT


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, found as a script in bench/ finds it."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("on_gpu")


Row = dict[str, Any]


class Device:
    """A clock, and a device with a queue that one iteration fits into."""

    def __init__(self) -> None:
        self.now, self.queued = 0.0, 0

    def iterate(self) -> None:
        """Takes the host 1 s, or with a full queue the 100 s of the device."""
        self.now += 100 if self.queued else 1
        self.queued += 1

    def synchronize(self) -> None:
        self.now += 100 * self.queued
        self.queued = 0


def test_the_time_to_queue_an_iteration_is_the_hosts(on_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    monkeypatch.setattr(on_gpu.time, "perf_counter", lambda: device.now)
    assert on_gpu.to_queue(device.iterate, device.synchronize, 5) == 1
    assert device.queued == 0


def test_a_row_that_fails_says_why_and_the_next_is_measured(on_gpu: ModuleType) -> None:
    def fails() -> Row:
        raise RuntimeError("CUDA out of memory. Tried | to allocate\nmore")

    measured = dict.fromkeys(on_gpu.COLUMNS, 1.5) | {"side": 64, "precision": "bf16", "host_waits": "nowhere"}
    rows = [on_gpu.row_or_error(64, "bf16", measure) for measure in (fails, lambda: measured)]
    assert [on_gpu.line_of(row) for row in rows] == [
        "| 64 | bf16 | RuntimeError: CUDA out of memory. Tried \\| to allocate | | | | |",
        "| 64 | bf16 | 1.5 | 1.5 | 1.5 | 1.5 | nowhere |",
    ]


def test_a_row_of_a_process_that_dies_is_a_failed_row(on_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_gpu, "measured", os._exit)  # by name: the process that it runs in gets it anew
    row = on_gpu.row_or_error(64, "bf16", lambda: on_gpu.apart(1))
    assert on_gpu.line_of(row).startswith("| 64 | bf16 | BrokenProcessPool: ")


def test_what_is_measured_is_written_row_by_row(
    on_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def measure(size: int, batch: int, name: str, *_: object) -> Row:
        if name == "TF32":
            raise RuntimeError("no such precision")
        row = dict.fromkeys(on_gpu.COLUMNS, 1.5) | {"side": size, "precision": name, "host_waits": "nowhere"}
        profile = {"kernels": [{"name": "conv", "calls": 2.0, "ms": 0.5}]}
        return row | profile if (size, name) == on_gpu.PROFILED else row

    monkeypatch.setattr(on_gpu.torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(on_gpu, "apart", measure)
    on_gpu.measure_gpu(64, 5, tmp_path / "gpu.json")
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["card"] == "a card"
    assert [row["precision"] for row in written["rows"]] == [*on_gpu.PRECISIONS] * len(on_gpu.FACES)
    assert written["rows"][1]["error"] == "RuntimeError: no such precision"
