"""Loader workers: processes that begin clean, whatever the trainer holds by then, and that never outlive it.

They are forked from a server: a Python of its own that has imported what they need and holds no GPU, no process group
and no thread of the trainer's. What a worker is told travels to it by pickle.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from logging import LogRecord
from logging.handlers import QueueHandler
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from cgan_dist.data.shared_memory import no_room
from cgan_dist.errors import PassingError, UserError
from cgan_dist.resilience.preemption import SIGNALS

if TYPE_CHECKING:
    from torch import Tensor  # the server is started before PyTorch is imported here

START_METHOD = "forkserver"
IMPORTED = ("cgan_dist.data.loader",)
SAFE_PATH = "PYTHONSAFEPATH"
GRACE_SECONDS = 30
NOTICE_SECONDS = 2.0
"""How long the end of a worker may take to become known, after what it was about to hand over did not come."""

Item = TypeVar("Item")


def start_server() -> None:
    """Starts the server, if it is not there, and returns at once.

    Importing takes the server as long as it takes the trainer. So who knows early that there will be workers calls this
    early, and the two import side by side.

    Raises:
        UserError: if this process may not open so many files.
    """
    forkserver.set_forkserver_preload(list(IMPORTED))
    with apart_from_working_folder(), refusals_explained():
        with _held_back(SIGNALS):
            resource_tracker.ensure_running()
        with _held_back(SIGNALS):  # again: the tracker's start lets some of them through
            forkserver.ensure_running()


@contextlib.contextmanager
def apart_from_working_folder() -> Iterator[None]:
    """Pythons started within do not look for modules in the working folder first, as they would for their `-c`.

    They are told this process's own import path only once they have imported how to be told.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        os.environ.pop(SAFE_PATH)
        if before is not None:
            os.environ[SAFE_PATH] = before


@contextlib.contextmanager
def _held_back(signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Blocks signals, for what is started within as long as it lives.

    Launchers and schedulers signal the whole process group; without its server, a worker would end at once and take the
    trainer down before it has written its checkpoint. The server ends when all that hold it have.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def nothing_of_main() -> Iterator[None]:
    """Processes started within do not run the user's script again to have what it defines: workers need none of it.

    A script that trains without asking for `__name__ == "__main__"` would otherwise begin to train in each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def watched(items: Iterator[Item], workers: Sequence[BaseProcess]) -> Iterator[Item]:
    """Yields what workers hand over.

    Raises:
        UserError: if the operating system refuses files or shared memory.
        PassingError: if one of them has ended; what is raised first is only what that has broken.
    """
    try:
        with refusals_explained():
            yield from items
    except UserError:
        raise
    except Exception as error:
        ended = connection.wait([worker.sentinel for worker in workers], NOTICE_SECONDS)
        codes = [worker.exitcode for worker in workers if worker.sentinel in ended]
        if not codes:
            raise
        raise PassingError(
            f"data.workers: a loader process ended without a word (exit code {codes[0]}), probably for want of memory; "
            "give fewer."
        ) from error


def shared(tensor: Tensor) -> Tensor:
    """Moves a tensor to shared memory, in a worker, from where the trainer will take it as it is.

    Raises:
        UserError: if there is no room for it.
    """
    try:
        return tensor.share_memory_() if tensor.numel() else tensor  # nothing cannot be mapped
    except (OSError, RuntimeError) as error:
        raise no_room(f"found no room for {tensor.nbytes / 1e6:.2f} MB of a batch ({_first_line(error)})") from error


@contextlib.contextmanager
def refusals_explained() -> Iterator[None]:
    """Turns what the system refuses to loader processes into a UserError, whatever PyTorch has made of it."""
    try:
        yield
    except Exception as error:
        if (told := _told(error)) is not None:
            raise told from error
        raise


def _told(error: BaseException | None) -> UserError | None:
    while error is not None:
        number = getattr(error, "errno", None)
        if number in (errno.EMFILE, errno.ENFILE):
            return UserError(
                "data.workers: found too many open files for what loader processes need; expected a higher limit, e.g. "
                "ulimit -n 4096 in the shell that starts training, or data.workers=0."
            )
        if number == errno.ENOSPC:
            return no_room("found no room for what loader processes need")
        error = error.__cause__ or error.__context__
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def begin(worker: int) -> None:
    """A worker's first act: it will end with the trainer, and outlives signals for as long as a checkpoint takes.

    Launchers and schedulers signal workers too, and one that obeyed at once would take the trainer down with it.
    SIGTERM, by which Python ends workers that are left over, is obeyed after a grace period.
    """
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends a process
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(GRACE_SECONDS))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # the server holds them back
    end_with_parent()


def take_down_log() -> SimpleQueue[LogRecord]:
    """Returns where this package's messages go from now on, in a worker: only the trainer knows where to write them."""
    said: SimpleQueue[LogRecord] = SimpleQueue()
    package = logging.getLogger("cgan_dist")
    package.setLevel(logging.DEBUG)
    package.propagate = False
    package.addHandler(QueueHandler(said))
    return said


def end_with_parent() -> None:
    """Ends this process as soon as the one that asked for it has ended, however that was."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
