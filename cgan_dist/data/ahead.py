"""An iterator that is run ahead, by a thread of its own."""

from __future__ import annotations

import atexit
import contextlib
import queue
import threading
import traceback
from collections.abc import Generator
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")
CLOSING_SECONDS = 10.0
"""How long to wait for a thread whose next item does not come; it is left behind then, and ends with the process."""


class _End(NamedTuple):
    error: BaseException | None


def ahead(items: Generator[Item, None, None], count: int) -> Generator[Item, None, None]:
    """Yields what `items` yields; a thread takes up to `count` of them before they are asked for.

    `items` is run and closed by the thread, which ends when this generator is closed or collected, or with the process.

    Raises:
        BaseException: what `items` raises, when everything before it has been yielded.
    """
    answers: queue.Queue[Item | _End] = queue.Queue(count)
    closed = threading.Event()
    thread = threading.Thread(target=_run, args=(items, answers, closed), name="ahead", daemon=True)
    del items  # the thread's alone: an error keeps this frame, and would keep what it has opened

    def stop() -> None:
        closed.set()
        with contextlib.suppress(queue.Empty):
            while True:  # makes room for an item that the thread is about to put
                answers.get_nowait()
        thread.join(CLOSING_SECONDS)

    thread.start()
    atexit.register(stop)  # what is open there, such as other processes, could otherwise be closed by force only
    try:
        while not isinstance(answer := answers.get(), _End):
            yield answer
        if answer.error is not None:
            raise answer.error
    finally:
        atexit.unregister(stop)
        stop()


def _run(items: Generator[Item, None, None], answers: queue.Queue[Item | _End], closed: threading.Event) -> None:
    end = _End(None)
    try:
        with contextlib.closing(items):
            for item in items:
                answers.put(item)
                if closed.is_set():
                    return
    except BaseException as error:
        _let_go(error)
        end = _End(error)
    answers.put(end)


def _let_go(error: BaseException | None) -> None:
    """Frees what the frames of an error hold, so that files and processes are closed before anybody handles it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
