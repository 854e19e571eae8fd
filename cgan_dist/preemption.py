"""When to stop early: a signal from the user or the scheduler, or the end of the time allowed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class StopRequest:
    """Remembers that this process was asked to stop; the trainer agrees over ranks and checkpoints.

    Signals are listened to inside a `with` block. The second one of a kind does what it would do without us: Ctrl-C
    twice stops at once.

    Args:
        max_hours: wall-clock time from now; null for no bound.
    """

    def __init__(self, max_hours: float | None = None) -> None:
        self.deadline = time.monotonic() + max_hours * 3600 if max_hours is not None else None
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            self._previous = {number: signal.signal(number, self._remember) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def reason(self) -> str | None:
        """Why this process should stop, or None."""
        if self.signal is not None:
            return f"received {self.signal.name}"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "train.max_hours is over"
        return None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        signal.signal(number, self._previous[self.signal])
