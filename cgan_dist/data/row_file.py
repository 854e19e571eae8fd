"""Rows of a shard in the making: blocks on disk, each with its digest, so that a kill costs one block."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cgan_dist.bounds import regular

DIGEST_BYTES = hashlib.sha256().digest_size


class RowFile:
    """Images (n, H, W, S) uint8 in the order in which they are appended; only one process writes it.

    Args:
        path: of the file; what an earlier process has left there is gone on with, as far as it is whole.
        shape: (H, W, S) of each image.
        block: images of each block but the last.
        count: images that there will be.

    Attributes:
        done: images that are there already; the next block begins with that one.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], block: int, count: int) -> None:
        self.path, self.shape, self.block, self.count = path, shape, block, count
        self.done = self._whole()
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(self._end(self.done))
        self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, images: NDArray[np.uint8]) -> None:
        """Adds one block.

        Raises:
            OSError: if the disk refuses.
        """
        content = images.tobytes()
        self._file.write(content + hashlib.sha256(content).digest())
        self._file.flush()
        self.done += len(images)

    def images(self) -> NDArray[np.uint8]:
        """Reads all of them, (count, H, W, S)."""
        content = self.path.read_bytes()
        parts = [content[self._end(first) : self._end(first) + self._size(first)] for first in self._firsts()]
        return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, *self.shape)

    def _whole(self) -> int:
        """How many images the blocks hold that are as they were written."""
        if not self.path.exists():
            return 0
        with regular(self.path).open("rb") as file:
            for first in self._firsts():
                content = file.read(self._size(first))
                if hashlib.sha256(content).digest() != file.read(DIGEST_BYTES):
                    return first
        return self.count

    def _firsts(self) -> range:
        return range(0, self.count, self.block)

    def _size(self, first: int) -> int:
        """Bytes of the images in the block that begins with this one."""
        return min(self.block, self.count - first) * int(np.prod(self.shape))

    def _end(self, first: int) -> int:
        """Where the file ends that has so many images."""
        blocks = -(-first // self.block)
        return first * int(np.prod(self.shape)) + blocks * DIGEST_BYTES
