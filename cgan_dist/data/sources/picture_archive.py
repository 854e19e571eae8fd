"""Pictures in a folder, or in a zip that is read where it lies: nothing is unpacked, so no name can lead away."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cgan_dist.bounds import MEMBER_BYTES, read_bytes, regular
from cgan_dist.data.sources.files import shortened
from cgan_dist.data.sources.picture import SUFFIXES, Pictures, decode_picture
from cgan_dist.errors import UserError

DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class Read(Protocol):
    """The `read` of a source."""

    def __call__(self, index: int) -> NDArray[np.uint8]:
        """Returns (H, W, C) uint8."""


@dataclass(frozen=True)
class Archive:
    """What lies in a folder or zip.

    Attributes:
        path: of it.
        prefix: of the names in it that the list of labels leaves out, such as `set/`.
        pictures: their names below the prefix, sorted.
        others: names of the other files, of which there are few.
    """

    path: Path
    prefix: str
    pictures: list[str]
    others: list[str]

    def where(self, name: str) -> str:
        """Names a file, for an error."""
        return f"{self.path / (self.prefix + name)}"

    def content(self, name: str) -> bytes | None:
        """Reads a file; None where there is none."""
        if name not in self.others:
            return None
        if self.path.is_dir():
            return read_bytes(self.path / name, MEMBER_BYTES)
        with zipfile.ZipFile(self.path) as file:
            return _read(file, self.prefix + name, self.path)

    def reader(self, pictures: Sequence[str]) -> Read:
        """Makes the `read` of some of the pictures."""
        if self.path.is_dir():
            return Pictures(self.path, tuple(pictures))
        return ZippedPictures(self.path, tuple(self.prefix + name for name in pictures))


@dataclass
class ZippedPictures:
    """The `read` of pictures in a zip; each process opens it once.

    Attributes:
        path: of the zip.
        names: of the pictures in it.
    """

    path: Path
    names: tuple[str, ...]
    _opened: zipfile.ZipFile | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, index: int) -> NDArray[np.uint8]:
        """Returns (H, W, C) uint8.

        Raises:
            UserError: naming zip, picture and cause.
        """
        if self._opened is None:
            self._opened = zipfile.ZipFile(self.path)
        name = self.names[index]
        return decode_picture(_read(self._opened, name, self.path), f"{self.path / name}")

    def __getstate__(self) -> dict[str, object]:
        """An open file stays with its process."""
        return vars(self) | {"_opened": None}


def open_archive(path: Path, beside: str) -> Archive:
    """Lists a folder or zip.

    Args:
        path: of it.
        beside: name of a file that lies beside the pictures; where a zip has it in a folder, names begin there.

    Raises:
        UserError: if it is neither, is damaged, or has no picture.
    """
    prefix = ""
    if path.is_dir():
        names = [
            os.path.relpath(os.path.join(root, name), path).replace(os.sep, "/")
            for root, _, files in os.walk(path)
            for name in files
        ]
    else:
        names = _zipped(path)
        places = [name for name in names if name.rpartition("/")[2] == beside]
        if len(places) == 1:
            prefix = places[0].removesuffix(beside)
        names = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    names = [name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]
    pictures = sorted(name for name in names if name.lower().endswith(SUFFIXES))
    others = sorted(set(names) - set(pictures))
    if not pictures:
        raise UserError(f"{path}: no pictures ({', '.join(SUFFIXES)}); it has {shortened(others) or 'nothing'}.")
    return Archive(path, prefix, pictures, others)


def _zipped(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(regular(path)) as file:
            return [name for name in file.namelist() if not name.endswith("/")]
    except DAMAGES as error:
        raise UserError(
            f"{path}: not a zip, or cut off: {error}. Expected a folder or a zip; fetch it again."
        ) from error


def _read(file: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        MEMBER_BYTES.check(file.getinfo(name).file_size, path / name)
        return file.read(name)
    except DAMAGES as error:  # RuntimeError: a password is wanted
        raise UserError(f"{path / name}: cannot be read: {error}. Fetch the zip again.") from error
