"""When to stop early: a signal, a file, the end of the time allowed or of the job; and the marks left for later."""

from __future__ import annotations

import enum
import json
import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from cgan_dist.resilience.note import write_note

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP") if hasattr(signal, name)
)  # Windows has neither of the last two
STOP, REQUEUE, STOPPED = "STOP", "REQUEUE", "STOPPED"
LOOK_SECONDS = 1.0
"""How often the STOP file is looked for: on shared storage a look is not free."""
ECHO_SECONDS = 2.0
"""A signal that comes again so soon is the same one by another way: from a terminal or Slurm, and from the launcher."""
JOB_END = "SLURM_JOB_END_TIME"
ELASTIC = "TORCHELASTIC_RUN_ID"
"""In the environment of processes that torchrun or accelerate launch has started."""
LEAVE_SHARE = 0.1
"""At most so much of a Slurm job's time is left unused for its last checkpoint, however short the job is."""


class Stop(enum.IntEnum):
    """Whether to stop, and whether to go on later; the greatest of all ranks decides."""

    NO = 0
    FOR_GOOD = 1
    """A person asked: Ctrl-C, or an empty STOP file."""
    FOR_NOW = 2
    """The scheduler asked, or time is up: the run is marked for requeue."""


class Reason(NamedTuple):
    """Why one process should stop."""

    stop: Stop
    text: str


class StopRequest:
    """Remembers that this process was asked to stop; the trainer agrees over ranks and checkpoints.

    Signals are listened to inside a `with` block, SIGHUP unless nohup has set it aside. A second one of a kind, two
    seconds after the first or later, does what it would do without us: Ctrl-C twice stops at once.

    Args:
        folder: the run folder, where a file STOP asks to stop; its text `requeue` asks to go on later.
        max_hours: wall-clock time from now; null for no bound.
        leave_minutes: before the end of a Slurm job (SLURM_JOB_END_TIME), to be kept for the checkpoint; of a short job
            a tenth of the time that it still has.
    """

    def __init__(self, folder: Path, max_hours: float | None = None, leave_minutes: float = 0.0) -> None:
        self.file = folder / STOP
        self.deadline = time.monotonic() + max_hours * 3600 if max_hours is not None else None
        end = os.environ.get(JOB_END, "")
        self.job_end = time.monotonic() + _time_to_leave(float(end), 60 * leave_minutes) if end.isdigit() else None
        self.signal: signal.Signals | None = None
        self._first: dict[int, float] = {}
        self._looked = 0.0
        self._asked: Reason | None = None
        self._previous: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            self._previous = {number: signal.signal(number, self._remember) for number in SIGNALS if _is_heeded(number)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def reason(self) -> Reason | None:
        """Why this process should stop, or None."""
        if self.signal is not None:
            for_good = self.signal is signal.SIGINT
            return Reason(Stop.FOR_GOOD if for_good else Stop.FOR_NOW, f"received {self.signal.name}")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return Reason(Stop.FOR_NOW, "train.max_hours is over")
        if self.job_end is not None and time.monotonic() >= self.job_end:
            return Reason(Stop.FOR_NOW, "the Slurm job is about to end")
        return self._asked_by_file()

    def _asked_by_file(self) -> Reason | None:
        if self._asked is not None or time.monotonic() - self._looked < LOOK_SECONDS:
            return self._asked
        self._looked = time.monotonic()
        try:
            is_file = stat.S_ISREG(self.file.stat().st_mode)  # whatever else has that name asks to stop as well
            text = self.file.read_text(encoding="utf-8", errors="replace").strip() if is_file else ""
        except OSError:
            return None
        self._asked = Reason(Stop.FOR_NOW if text == "requeue" else Stop.FOR_GOOD, f"there is a file {self.file}")
        return self._asked

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        now = time.monotonic()
        if now - self._first.setdefault(number, now) >= ECHO_SECONDS:
            signal.signal(number, self._previous[self.signal])
            signal.raise_signal(number)


def _is_heeded(number: signal.Signals) -> bool:
    """All but SIGHUP under nohup. A launcher ends at a closed terminal all the same, and its processes with it."""
    is_hangup = number is getattr(signal, "SIGHUP", None)
    return not is_hangup or signal.getsignal(number) is not signal.SIG_IGN or ELASTIC in os.environ


def _time_to_leave(end: float, seconds: float) -> float:
    """Seconds from now on; the clock by which the end is told may be set later, and is looked at only once."""
    left = end - time.time()
    return left - min(seconds, LEAVE_SHARE * max(0.0, left))


def clear_marks(folder: Path) -> None:
    """Removes STOP and the marks of an earlier start; only rank 0 calls it, with the run folder locked."""
    for name in (STOP, REQUEUE, STOPPED):
        (folder / name).unlink(missing_ok=True)


def leave_mark(folder: Path, stop: Stop, images_seen: int, reason: str) -> None:
    """Leaves REQUEUE or STOPPED, by which a job script knows whether the run is to go on; only rank 0 calls it.

    Raises:
        UserError: if it cannot be written.
    """
    name = REQUEUE if stop is Stop.FOR_NOW else STOPPED
    write_note(folder / name, json.dumps({"images": images_seen, "reason": reason}) + "\n")
