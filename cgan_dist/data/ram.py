"""Decoded shards in memory, shared by all processes of a machine that read the same set."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.shard_file import Arrays

SHARED_MEMORY = Path("/dev/shm")
AUTO_BYTES = 4 << 30
FREE_SHARE = 0.5

logger = logging.getLogger(__name__)


class RamCache:
    """Arrays by shard number: memory-mapped files in /dev/shm where there is room, else private memory.

    Whoever decodes a shard first writes it; a name appears only when the file is whole. The process that made the
    cache removes the files when it ends; readers that have them open keep them.

    Args:
        fingerprint: of the manifest and of how damage is handled; names the folder.
        total_bytes: of all decoded shards.
    """

    def __init__(self, fingerprint: str, total_bytes: int) -> None:
        self.private: dict[int, Arrays] = {}
        self.folder: Path | None = None
        folder = SHARED_MEMORY / f"cgan_dist-{os.getuid()}-{fingerprint[:32]}"
        try:  # where others have filled the folder already, free space says nothing
            if folder.exists() or total_bytes < FREE_SHARE * shutil.disk_usage(SHARED_MEMORY).free:
                _make_own(folder)
                self.folder = folder
                atexit.register(_remove, folder, os.getpid())
        except OSError as error:
            logger.info("%s: decoded shards are not shared (%s).", folder, error)

    def get(self, index: int) -> Arrays | None:
        """Returns a shard that some process has put here, or None."""
        if index not in self.private and self.folder is not None:
            paths = [self.folder / f"{index}.{kind}.npy" for kind in ("images", "labels")]
            try:
                self.private[index] = Arrays(*(np.load(path, mmap_mode="r", allow_pickle=False) for path in paths))
            except (OSError, ValueError, EOFError):
                return None
        return self.private.get(index)

    def put(self, index: int, arrays: Arrays) -> Arrays:
        """Keeps a shard and returns it as others will see it."""
        if self.folder is not None:
            try:
                _make_own(self.folder)  # another process that used it may have ended meanwhile
                for kind, array in zip(("images", "labels"), arrays, strict=True):
                    _save(self.folder / f"{index}.{kind}.npy", array)
                return self.get(index) or arrays
            except OSError as error:
                logger.warning("%s: cannot share decoded shards (%s); keeping private copies.", self.folder, error)
                self.folder = None
        self.private[index] = arrays
        return arrays


def _make_own(folder: Path) -> None:
    """Makes the folder, or raises OSError if it is somebody else's: those are never trusted."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise PermissionError("it belongs to somebody else")


def _save(path: Path, array: NDArray[Any]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a forked loader worker
        shutil.rmtree(folder, ignore_errors=True)
