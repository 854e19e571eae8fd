"""The claim on a run folder: one process trains in it, and in that very folder, as long as the run goes on."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from pathlib import Path

from cgan_dist.errors import PassingError, UserError, storage_error
from cgan_dist.files.whole import check_links

LOCK = "lock"
NO_MORE = (errno.ENOENT, errno.ENOTDIR)

logger = logging.getLogger(__name__)


class Claim:
    """Claims a run folder for this process until it ends, however it ends; only rank 0 has one.

    It must be kept: when it is closed, or collected, the claim is given up.

    Args:
        folder: of the run; made if it is not there.

    Attributes:
        file: the lock.
        handle: the folder itself, held open so that no other can have its number; null on Windows.

    Raises:
        PassingError: if another process is training this run: a node that failed keeps its lock for a while.
        UserError: if the folder cannot be written, or the lock is a link.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LOCK
        check_links(folder, [LOCK])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("a+", encoding="utf-8")
            self.handle = os.open(folder, os.O_RDONLY) if os.name == "posix" else None
        except OSError as error:
            raise storage_error(error, f"run.dir: cannot write in {folder}: {error.strerror}.") from error
        self._lock()

    def check(self) -> None:
        """Checks that the folder is still the one that was claimed, before anything is written there.

        A lock file that somebody has removed is made anew, for without it the run could be started a second time.

        Raises:
            UserError: if the folder was moved, removed or replaced, or started a second time meanwhile.
        """
        if self.handle is None:  # Windows moves no folder with open files in it
            return
        if not _is_at(self.folder, self.handle):
            where = self._where()
            raise UserError(
                f"run.dir: the run folder {self.folder} was moved or removed while it was being trained"
                f"{f'; it is {where} now' if where else ''}. What it has saved is as it was. Put it back, or say "
                "where it is by run.dir and run.name, and the same command goes on from its newest checkpoint."
            )
        if not _is_at(self.path, self.file.fileno()):
            logger.warning(
                "%s was removed; it is made anew, for without it a second start would not be refused.", self.path
            )
            self.file.close()
            self.file = self.path.open("a+", encoding="utf-8")
            self._lock()

    def close(self) -> None:
        """Gives it up."""
        self.file.close()
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self.close()

    def _where(self) -> str | None:
        """Where the folder is now, if it is anywhere and the system says so."""
        try:
            place = os.readlink(f"/proc/self/fd/{self.handle}")
        except OSError:
            return None
        return place if os.path.isdir(place) else None

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # on Windows
            logger.warning("%s: Python has no file locks on %s; start this run only once.", self.folder, sys.platform)
            return
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not inherited by children
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise self._taken() from None
            logger.warning(
                "%s: this file system has no locks (%s); start this run only once.", self.folder, error.strerror
            )
            return
        self.file.truncate(0)
        self.file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
        self.file.flush()

    def _taken(self) -> PassingError:
        self.file.seek(0)
        owner = self.file.read().strip() or "unknown"
        self.file.close()
        return PassingError(
            f"run.name: {self.folder} is being trained by another process ({owner}). Wait for it, stop it, or choose "
            "another run.name."
        )


def _is_at(path: Path, handle: int) -> bool:
    """Whether what is open there still has that name; if that cannot be looked at, whoever writes there will say so."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError as error:
        return error.errno not in NO_MORE
