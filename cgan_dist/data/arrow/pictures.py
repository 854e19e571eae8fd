"""Pictures in a column: bytes of picture files, or arrays, picked out of mapped files one by one."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cgan_dist.data.arrow.table_files import read_columns, spool, uncompressed_bytes
from cgan_dist.data.sources.picture import decode_picture, read_picture
from cgan_dist.data.sources.picture_paths import PicturePaths
from cgan_dist.errors import UserError


class ArrowPictures:
    """The `read` of pictures in Arrow files; each process maps them once.

    Args:
        files: in the order of the rows.
        counts: rows of each.
        column: of the pictures.
        places: what to call each file in errors.
        root: folder of pictures of which there is only a path; null refuses those.
    """

    def __init__(
        self,
        files: Sequence[Path],
        counts: Sequence[int],
        column: str,
        places: Sequence[Path],
        root: Path | None = None,
    ) -> None:
        self.files, self.column, self.places, self.root = tuple(files), column, tuple(places), root
        self.ends = np.cumsum(counts)
        self._columns: dict[int, Any] = {}
        self._spool: object = None

    def __call__(self, index: int) -> NDArray[np.uint8]:
        """Returns (H, W, C) uint8.

        Raises:
            UserError: naming file, row and cause.
        """
        file = int(np.searchsorted(self.ends, index, side="right"))
        row = index - (int(self.ends[file - 1]) if file else 0)
        if file not in self._columns:
            self._columns[file] = read_columns(self.files[file], [self.column]).column(0)
        return _pixels(self._columns[file][row].as_py(), f"{self.places[file]}, row {row}, {self.column}", self.root)

    def __getstate__(self) -> dict[str, Any]:
        """Mapped files stay with their process, the spooled ones with that which made them."""
        return vars(self) | {"_columns": {}, "_spool": None}

    def owning(self, folder: Path) -> ArrowPictures:
        """Removes a folder of spooled files when this object, no copy of it in another process, is done with."""
        self._spool = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return self


def pictures_of(
    files: Sequence[Path], counts: Sequence[int], column: str, cache_dir: str | None, root: Path | None = None
) -> ArrowPictures:
    """Makes the `read` of a column.

    Arrow is read where it lies. Of Parquet whole row groups must be decoded for one row, and shards are filled in
    random order: its column is first spooled to Arrow, once, in a folder of its own that goes when the process ends.

    Args:
        files: all Parquet, or all Arrow.
        counts: rows of each.
        column: of the pictures.
        cache_dir: where to make that folder; null is the system's place for temporary files.
        root: folder of pictures of which there is only a path; null refuses those.

    Raises:
        UserError: if a file is damaged, or there is no room.
    """
    if files[0].suffix != ".parquet":
        return ArrowPictures(files, counts, column, files, root)
    needed = sum(uncompressed_bytes(path) for path in files)
    place = Path(cache_dir or tempfile.gettempdir())
    try:
        place.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(place).free) < needed:
            raise UserError(_no_room(place, f"{needed / 1e9:,.1f} GB of pictures, {free / 1e9:,.1f} GB are free"))
        folder = Path(tempfile.mkdtemp(prefix="cgan-dist-", dir=place))
    except OSError as error:
        raise UserError(_no_room(place, error.strerror or str(error))) from error
    targets = [folder / f"{number:05d}.arrow" for number in range(len(files))]
    reader = ArrowPictures(targets, counts, column, files, root).owning(folder)
    try:
        for path, target in zip(tqdm(files, desc="read", unit="file", disable=len(files) == 1), targets, strict=True):
            spool(path, column, target)
    except OSError as error:
        raise UserError(_no_room(place, error.strerror or str(error))) from error
    return reader


def _no_room(place: Path, cause: str) -> str:
    return (
        f"{place}: cannot keep pictures of Parquet there meanwhile: {cause}. Name a folder with room: --option "
        "cache_dir=FOLDER."
    )


def _pixels(value: Any, where: str, root: Path | None) -> NDArray[np.uint8]:
    if isinstance(value, dict):
        if value.get("bytes") is None and isinstance(value.get("path"), str):
            return read_picture(_below(value["path"], where, root))
        value = value.get("bytes")
    if isinstance(value, bytes):
        return decode_picture(value, where)
    if not isinstance(value, list):
        raise UserError(f"{where}: a {type(value).__name__}; expected the bytes of a picture file, or an array.")
    return _array(value, where)


def _below(path: str, where: str, root: Path | None) -> Path:
    """The picture of which a set has the path alone, as `to_parquet` writes it: only where the user says it may be."""
    if root is None:
        raise UserError(
            f"{where}: no picture, but only the path '{path}', which is not followed: give --option "
            "picture_folder=FOLDER with the folder where it lies, or save the set with save_to_disk, which puts the "
            "pictures into it."
        )
    return root / PicturePaths(root).relative(path, where)


def _array(value: list[Any], where: str) -> NDArray[np.uint8]:
    try:
        found = np.array(value)
    except ValueError as error:
        raise UserError(f"{where}: rows of different lengths; expected an array.") from error
    if found.ndim == 2:
        found = found[..., None]
    if found.ndim == 3 and found.shape[2] not in (1, 3) and found.shape[0] in (1, 3):
        found = found.transpose(1, 2, 0)
    if found.ndim != 3 or found.shape[2] not in (1, 3) or found.dtype.kind not in "iu":
        raise UserError(
            f"{where}: an array {found.shape} of {found.dtype}; expected (H, W), (H, W, C) or (C, H, W) of whole "
            "numbers, C being 1 or 3."
        )
    if found.min() < 0 or found.max() > 255:
        raise UserError(f"{where}: values from {found.min()} to {found.max()}; expected 0 to 255.")
    return np.ascontiguousarray(found.astype(np.uint8))
