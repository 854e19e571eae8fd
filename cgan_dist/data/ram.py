"""Decoded shards in memory, shared by all processes of a machine that read the same set."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.shard_file import Arrays
from cgan_dist.data.shared_memory import clear_abandoned, folder_named, free_bytes, join

AUTO_BYTES = 4 << 30
FREE_SHARE = 0.5
NAME_LETTERS = 32

logger = logging.getLogger(__name__)


class RamCache:
    """Arrays by shard number: memory-mapped files in /dev/shm where there is room, else private memory.

    Whoever decodes a shard first writes it; a name appears only when the file is whole. The folder goes with the last
    process that uses it. What travels to another process is its name: there the arrays are found, or decoded again.

    Args:
        fingerprint: of the manifest and of how damage is handled; names the folder.
        total_bytes: of all decoded shards.
    """

    def __init__(self, fingerprint: str, total_bytes: int) -> None:
        self.private: dict[int, Arrays] = {}
        self.folder: Path | None = None
        self.total_bytes = total_bytes
        if (free := free_bytes()) is None:  # only Linux has it
            return
        clear_abandoned()
        folder = folder_named(fingerprint[:NAME_LETTERS])
        try:  # where others have filled the folder already, free space says nothing
            if folder.exists() or total_bytes < FREE_SHARE * free:
                join(folder)
                self.folder = folder
        except OSError as error:
            logger.info("%s: decoded shards are not shared (%s).", folder, error)

    @property
    def missing_bytes(self) -> int:
        """What is still to be put into shared memory."""
        if self.folder is None:
            return 0
        return max(0, self.total_bytes - sum(path.stat().st_size for path in self.folder.glob("*.npy")))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"private": {}}

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
                join(self.folder)  # a worker claims it here first; and somebody may have removed it
                for kind, array in zip(("images", "labels"), arrays, strict=True):
                    _save(self.folder / f"{index}.{kind}.npy", array)
                return self.get(index) or arrays
            except OSError as error:
                logger.warning("%s: cannot share decoded shards (%s); keeping private copies.", self.folder, error)
                self.folder = None
        self.private[index] = arrays
        return arrays


def _save(path: Path, array: NDArray[Any]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
