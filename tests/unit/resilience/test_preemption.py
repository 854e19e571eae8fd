from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest

from cgan_dist.errors import UserError
from cgan_dist.files import whole
from cgan_dist.resilience.preemption import SIGNALS, Stop, StopRequest, clear_marks, leave_mark


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_remembered(number: signal.Signals, tmp_path: Path) -> None:
    with StopRequest(tmp_path) as stop:
        assert stop.reason() is None
        os.kill(os.getpid(), number)
        expected = Stop.FOR_GOOD if number is signal.SIGINT else Stop.FOR_NOW
        assert stop.reason() == (expected, f"received {number.name}")


def test_the_second_signal_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("cgan_dist.resilience.preemption.time.monotonic", lambda: now)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with StopRequest(tmp_path):
            os.kill(os.getpid(), signal.SIGINT)
            now += 2.0
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_same_signal_by_two_ways_is_one(number: signal.Signals, tmp_path: Path) -> None:
    """Slurm sends SIGTERM to every process, and each launcher passes its own on: a save would be cut short by that."""
    with StopRequest(tmp_path) as stop:
        for _ in range(3):
            os.kill(os.getpid(), number)
        assert stop.reason() is not None


def test_afterwards_signals_do_what_they_did_before(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopRequest(tmp_path):
        os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_the_deadline_counts_from_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = 1000.0
    monkeypatch.setattr("cgan_dist.resilience.preemption.time.monotonic", lambda: now)
    stop = StopRequest(tmp_path, max_hours=0.5)
    now += 1799
    assert stop.reason() is None
    now += 1
    assert stop.reason() == (Stop.FOR_NOW, "train.max_hours is over")


@pytest.mark.parametrize(
    ("text", "expected"), [("", Stop.FOR_GOOD), ("now!\n", Stop.FOR_GOOD), ("requeue\n", Stop.FOR_NOW)]
)
def test_a_file_asks_to_stop_and_is_seen_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: Stop
) -> None:
    now = 1000.0
    monkeypatch.setattr("cgan_dist.resilience.preemption.time.monotonic", lambda: now)
    stop = StopRequest(tmp_path)
    assert stop.reason() is None
    (tmp_path / "STOP").write_text(text)
    now += 1.0
    reason = stop.reason()
    assert reason is not None
    assert reason.stop is expected
    assert "STOP" in reason.text


def test_whatever_has_the_name_of_the_file_asks_to_stop_and_hangs_nothing(tmp_path: Path) -> None:
    for make in (lambda path: path.mkdir(), os.mkfifo):
        folder = tmp_path / str(make)
        folder.mkdir()
        make(folder / "STOP")
        assert StopRequest(folder).reason() == (Stop.FOR_GOOD, f"there is a file {folder / 'STOP'}")


def test_a_mark_that_cannot_be_left_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "uuid", SimpleNamespace(uuid4=lambda: UUID(int=0)))  # so that the name is known
    (tmp_path / "REQUEUE.000000000000.partial").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"REQUEUE: cannot be written \(No space left on device\)"):
        leave_mark(tmp_path, Stop.FOR_NOW, 640, "received SIGTERM")


def test_under_nohup_only_the_processes_of_a_launcher_heed_a_closed_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        for launched in (False, True):
            if launched:
                monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
            with StopRequest(tmp_path) as stop:
                os.kill(os.getpid(), signal.SIGHUP)
                assert (stop.reason() is not None) == launched
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("length", "trains"), [(6000, 5820), (100, 90)])  # a short job leaves a tenth, not minutes
def test_the_end_of_the_slurm_job_leaves_time_for_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, trains: int
) -> None:
    now = 1000.0
    monkeypatch.setattr("cgan_dist.resilience.preemption.time.time", lambda: 1_000_000.0)
    monkeypatch.setattr("cgan_dist.resilience.preemption.time.monotonic", lambda: now)
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(1_000_000 + length))
    stop = StopRequest(tmp_path, leave_minutes=3)
    monkeypatch.setattr("cgan_dist.resilience.preemption.time.time", lambda: 0.0)  # the clock of the wall went back
    now += trains - 1
    assert stop.reason() is None
    now += 1
    assert stop.reason() == (Stop.FOR_NOW, "the Slurm job is about to end")


@pytest.mark.parametrize("value", ["Unknown", "", "-1"])
def test_an_end_time_that_is_no_time_is_no_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", value)
    assert StopRequest(tmp_path).reason() is None


@pytest.mark.parametrize(("stop", "name"), [(Stop.FOR_NOW, "REQUEUE"), (Stop.FOR_GOOD, "STOPPED")])
def test_marks_are_left_and_cleared(tmp_path: Path, stop: Stop, name: str) -> None:
    leave_mark(tmp_path, stop, 640, "received SIGTERM")
    assert json.loads((tmp_path / name).read_text()) == {"images": 640, "reason": "received SIGTERM"}
    (tmp_path / "STOP").touch()
    clear_marks(tmp_path)
    clear_marks(tmp_path)
    assert list(tmp_path.iterdir()) == []
