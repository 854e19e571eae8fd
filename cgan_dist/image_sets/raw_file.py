"""All images of a set in one `.npy` file, of which any part can be written and read at any time."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 24


@dataclass(frozen=True)
class RawFile:
    """Images (N, H, W, C) uint8; picklable, and called with a number it returns that image.

    Attributes:
        path: of the file; made by the first `write`.
        shape: (N, H, W, C).
    """

    path: Path
    shape: tuple[int, int, int, int]

    def write(self, first: int, images: NDArray[np.uint8]) -> str:
        """Writes the images from number `first` on, and returns their sha256, hex."""
        content = np.ascontiguousarray(images).data.cast("B")
        header = self._header()
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            _write(file, memoryview(header), 0)  # whoever comes first; the bytes are always the same
            _write(file, content, len(header) + first * self._image_bytes)
        finally:
            os.close(file)
        return hashlib.sha256(content).hexdigest()

    def digest(self, first: int, count: int) -> str | None:
        """The sha256 of so many images from number `first` on, hex; null if the file ends before."""
        try:
            with self.path.open("rb") as file:
                file.seek(len(self._header()) + first * self._image_bytes)
                content = file.read(count * self._image_bytes)
        except FileNotFoundError:
            return None
        return hashlib.sha256(content).hexdigest() if len(content) == count * self._image_bytes else None

    def __call__(self, index: int) -> NDArray[np.uint8]:
        """(H, W, C) uint8."""
        place = len(self._header()) + index * self._image_bytes
        image: NDArray[np.uint8] = np.fromfile(self.path, np.uint8, self._image_bytes, offset=place)
        return image.reshape(self.shape[1:])

    @property
    def _image_bytes(self) -> int:
        return self.shape[1] * self.shape[2] * self.shape[3]

    def _header(self) -> bytes:
        buffer = io.BytesIO()
        facts = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(buffer, facts)
        return buffer.getvalue()


def _write(file: int, content: memoryview, place: int) -> None:
    while content:  # one call writes 2 GiB at most
        written = os.pwrite(file, content[:BLOCK], place)
        content, place = content[written:], place + written
