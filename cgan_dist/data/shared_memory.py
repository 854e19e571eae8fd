"""/dev/shm: its room, and folders in it that belong to all processes of a user that use them.

Whoever uses a folder holds a lock on it, which the kernel takes back however a process ends, in whatever container. So
a folder that can be locked alone is nobody's: the last to leave removes it, and after `kill -9` the next to come does.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from cgan_dist.errors import UserError

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "cgan_dist"
PAGE_BYTES = 4096

logger = logging.getLogger(__name__)

_held: dict[Path, int] = {}
"""Folders that this process uses, and the open descriptor that holds the lock of each."""


def free_bytes() -> int | None:
    """Room in shared memory; None where the system has none, or does not say."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return None


def no_room(found: str) -> UserError:
    """The error of batches that do not fit, whenever that turns out; `found` says what was wanted and what is there."""
    return UserError(
        f"data.workers: {found}. Batches of loader workers pass through {SHARED_MEMORY}: give it more (docker run "
        "--shm-size 1g; in Kubernetes an emptyDir of medium Memory there; as root mount -o remount,size=1g "
        f"{SHARED_MEMORY}), take a smaller train.batch_size, or let the training process read: data.workers=0."
    )


def folder_named(name: str) -> Path:
    """Where this user's folder of a name is, or would be."""
    return SHARED_MEMORY / f"{PREFIX}-{os.getuid()}-{name}"


def join(folder: Path) -> None:
    """Makes a folder, or uses the one that others of this user have made; children that are forked off share the claim.

    Raises:
        OSError: if it cannot be made, or somebody else was there first: those are never trusted.
    """
    while folder not in _held or not _is_at(folder, _held[folder]):
        if folder in _held:
            os.close(_held.pop(folder))  # removed by hand
        handle = _opened(folder, make=True)
        _lock(handle, alone=False)
        if _is_at(folder, handle):  # else the last one of before has removed it meanwhile
            _held[folder] = handle
            atexit.register(leave, folder, os.getpid())
        else:
            os.close(handle)


def leave(folder: Path, owner: int) -> None:
    """Gives a folder up and removes it, if nobody else uses it.

    Args:
        folder: that was joined.
        owner: the process that joined; one that was forked off leaves nothing.
    """
    if os.getpid() == owner and (handle := _held.pop(folder, None)) is not None:
        _remove_if_unused(folder, handle)


def clear_abandoned() -> None:
    """Removes what processes of this user have left that were killed; what a living one uses stays."""
    for folder in SHARED_MEMORY.glob(folder_named("*").name):
        if folder in _held:
            continue
        with contextlib.suppress(OSError):
            size = sum(path.stat().st_size for path in folder.iterdir())
            if _remove_if_unused(folder, _opened(folder, make=False)):
                logger.info("%s: removed; a run that was killed had left %.1f MB there.", folder, size / 1e6)


def _opened(folder: Path, make: bool) -> int:
    if make:
        folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise PermissionError("it belongs to somebody else")
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _lock(handle: int, alone: bool) -> None:
    import fcntl  # not on Windows, which has no shared memory of this kind either

    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)


def _is_at(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(folder.lstat(), os.fstat(handle))
    except OSError:
        return False


def _remove_if_unused(folder: Path, handle: int) -> bool:
    """Removes the folder that is open there, if nobody else holds it; closes it."""
    with _closing(handle), contextlib.suppress(OSError):
        _lock(handle, alone=True)
        if _is_at(folder, handle):
            shutil.rmtree(folder, ignore_errors=True)
            return True
    return False


@contextlib.contextmanager
def _closing(handle: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(handle)
