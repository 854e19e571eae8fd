"""A pool of threads that does everything at once, in the thread that asks: the device is there in that one alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Found = TypeVar("Found")


class NoThreads:
    """Takes the place of `ThreadPoolExecutor`."""

    def __init__(self, *_: object) -> None:
        """Needs nothing."""

    def submit(self, do: Callable[..., Found], *args: Any) -> Future[Found]:
        """Does it now."""
        done: Future[Found] = Future()
        try:
            done.set_result(do(*args))
        except Exception as error:
            done.set_exception(error)
        return done
