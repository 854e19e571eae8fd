"""A thread that notices when training does not move any more, says where it hangs, and at last ends the process.

A launcher or scheduler restarts a process that ends; one that waits for ever in a collective, a read or a lock keeps
its machine.
"""

from __future__ import annotations

import contextlib
import datetime
import faulthandler
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

EXIT_STUCK = 70
STDERR = 2
LOOKS = 20
"""How often the thread looks in the time after which a process counts as stuck."""

logger = logging.getLogger(__name__)


class Watchdog:
    """Watches over one process inside a `with` block.

    Without a `beat` for `minutes` it appends the stacks of all threads to `RUN/stuck-rank-R.txt` and warns; after twice
    that time it ends the process at once with `exit_code`. Time in which the whole process was stopped (SIGSTOP, as
    Slurm suspends jobs) does not count.

    It needs the interpreter to run. Collectives, reads, locks and whatever else lets other threads run while it waits
    are noticed; code that keeps the interpreter for itself is not, except by the ranks that wait for this one.

    Args:
        minutes: null watches nothing.
        folder: of the run.
        rank: of this process.
        exit_code: of a process that hangs.
    """

    def __init__(self, minutes: float | None, folder: Path, rank: int, exit_code: int = EXIT_STUCK) -> None:
        self.minutes = minutes
        self.path = folder / f"stuck-rank-{rank}.txt"
        self.exit_code = exit_code
        self.images_seen = 0
        self._beats = 0
        self._pauses = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Watchdog:
        if self.minutes is not None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._watch, args=(self.minutes * 60,), name="watchdog", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def beat(self, images_seen: int) -> None:
        """Says that this process lives; cheap enough for every iteration."""
        self.images_seen = images_seen
        self._beats += 1

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Within, nothing counts as stuck: evaluation, checkpoints, waiting for a rank that does them."""
        self._pauses += 1
        try:
            yield
        finally:
            self._beats += 1
            self._pauses -= 1

    def _watch(self, limit_seconds: float) -> None:
        look = limit_seconds / LOOKS
        silent, beats, warned, now = 0.0, self._beats, False, time.monotonic()
        while not self._ended.wait(look):
            before, now = now, time.monotonic()
            if self._beats != beats or self._pauses:
                if warned:
                    logger.warning("Going on at %s images after a standstill.", f"{self.images_seen:,}")
                silent, beats, warned = 0.0, self._beats, False
                continue
            silent += min(now - before, 2 * look)  # more than that, and this thread stood still too
            if silent >= limit_seconds and not warned:
                warned = True
                # in a thread of its own: what holds up training may hold up a file or a log as well
                threading.Thread(target=self._warn, args=(silent,), daemon=True).start()
            if silent >= 2 * limit_seconds:
                os._exit(self.exit_code)

    def _warn(self, silent_seconds: float) -> None:
        """Says where the process hangs, and what comes next."""
        where = str(self.path)
        try:
            with open(self.path, "a", encoding="utf-8", opener=_through_no_link) as file:
                self._dump(file, silent_seconds)
        except OSError as error:  # the folder of another machine, a full disk
            where = f"stderr ({self.path}: {error.strerror})"
            faulthandler.dump_traceback(STDERR)
        logger.warning(
            "No iteration for %.1f minutes, at %s images: guard.stuck_minutes. All stacks are in %s. In as much time "
            "again this process ends with exit code %d.",
            silent_seconds / 60,
            f"{self.images_seen:,}",
            where,
            self.exit_code,
        )

    def _dump(self, file: TextIO, silent_seconds: float) -> None:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        still = f"no iteration for {silent_seconds:.0f} s, at {self.images_seen} images"
        file.write(f"{at}: process {os.getpid()}, {still}\n")
        file.flush()  # faulthandler writes past the file's buffer
        faulthandler.dump_traceback(file)
        file.write("\n")


def _through_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
