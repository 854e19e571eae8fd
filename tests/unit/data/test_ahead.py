"""A thread that runs an iterator ahead: nothing is lost, reordered or left running."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator

import pytest

from cgan_dist.data import ahead as ahead_module
from cgan_dist.data.ahead import ahead
from tests.launching import ROOT, environment


class Counting:
    """Counts how many numbers were taken from `numbers`, and whether it was closed."""

    def __init__(self, last: int | None = None, error: Exception | None = None) -> None:
        self.taken, self.closed = 0, False
        self.last, self.error = last, error
        self.thread: threading.Thread | None = None

    def numbers(self) -> Generator[int, None, None]:
        self.thread = threading.current_thread()
        try:
            while self.last is None or self.taken < self.last:
                self.taken += 1
                yield self.taken
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 900
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_everything_arrives_in_its_order() -> None:
    assert list(ahead(Counting(last=100).numbers(), 3)) == list(range(1, 101))


def test_so_many_are_taken_before_they_are_asked_for() -> None:
    source = Counting()
    items = ahead(source.numbers(), 3)
    assert source.taken == 0
    assert next(items) == 1
    wait_until(lambda: source.taken == 5)  # 1 is out, 2 to 4 are kept, 5 waits for room
    time.sleep(0.05)
    assert source.taken == 5
    assert source.thread is not threading.current_thread()
    items.close()


def test_an_error_comes_in_its_place() -> None:
    error = ValueError("after the third")
    items = ahead(Counting(last=3, error=error).numbers(), 2)
    assert [next(items) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="after the third") as caught:
        next(items)
    assert caught.value is error
    assert "numbers" in [entry.name for entry in caught.traceback]


class Opened:
    """Stands for a file, or for processes."""


def test_an_error_keeps_nothing_open() -> None:
    def reading(file: Opened) -> Generator[int, None, None]:
        yield 1
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner

    opened = Opened()
    alive = weakref.ref(opened)
    items = ahead(reading(opened), 1)
    del opened
    assert next(items) == 1
    with pytest.raises(ValueError, match="outer") as caught:
        next(items)
    assert caught.value.__traceback__ is not None
    assert alive() is None


@pytest.mark.parametrize("asked", [1, 4])
def test_closing_ends_the_thread_and_the_source(asked: int) -> None:
    source = Counting()
    items = ahead(source.numbers(), 2)
    for _ in range(asked):
        next(items)
    items.close()
    assert not source.running
    assert source.closed


def test_what_nobody_holds_any_more_ends_too() -> None:
    source = Counting()
    items = ahead(source.numbers(), 2)
    next(items)
    del items
    gc.collect()
    assert not source.running
    assert source.closed


def test_an_error_of_the_consumer_ends_it_at_its_closing() -> None:
    source = Counting()
    items = ahead(source.numbers(), 2)
    next(items)
    with pytest.raises(ValueError, match="thrown"):
        items.throw(ValueError("thrown"))
    assert not source.running
    assert source.closed


def test_a_source_that_hangs_does_not_hang_who_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_module, "CLOSING_SECONDS", 0.01)
    hanging, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    def numbers() -> Generator[int, None, None]:
        yield 1
        hanging.set()
        let_go.wait(900)
        ended.set()

    items = ahead(numbers(), 1)
    next(items)
    assert hanging.wait(900)
    items.close()
    assert not ended.is_set()
    let_go.set()
    assert ended.wait(900)


OPEN_AT_EXIT = """
import itertools, time
from cgan_dist.data import ahead as module
from cgan_dist.data.ahead import ahead

module.CLOSING_SECONDS = 0.1

def numbers(seconds):
    for number in itertools.count():
        yield number
        time.sleep(seconds)

full, hanging = ahead(numbers(0), 2), ahead(numbers(1000), 2)
print(next(full), next(hanging))
"""


def test_an_open_one_does_not_keep_the_process() -> None:
    line = [sys.executable, "-c", OPEN_AT_EXIT]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=900, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 0\n", "")
