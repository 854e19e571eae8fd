"""A shard of an adopted set: a list of images that lie anywhere in tars that somebody else wrote."""

from __future__ import annotations

import mmap
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.codecs import CorruptImage, decoder
from cgan_dist.data.manifest import ImageFormat, Tar
from cgan_dist.data.shard_file import BadImage, decode_checked, load_npy
from cgan_dist.data.storage import Storage
from cgan_dist.errors import UserError
from cgan_dist.labels import LabelSchema

MOST_OPEN = 128
"""Tars that a process keeps open; it may have no more than 1,024 files by default, and each map is one."""


class Tars:
    """The tars of an adopted set; each process opens those that it reads.

    Args:
        storage: where they lie.
        tars: of the manifest.
    """

    def __init__(self, storage: Storage, tars: Sequence[Tar]) -> None:
        self.storage, self.tars = storage, tars
        self._open: OrderedDict[int, mmap.mmap] = OrderedDict()
        self._lost: dict[int, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict(), "_lost": {}}

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Reads a stretch of tar `number`.

        Raises:
            BadImage: if the tar cannot be read or has another size than it had.
        """
        content = self._open.get(number)
        if content is None:
            content = self._opened(number)
        self._open.move_to_end(number)
        return content[offset : offset + size]

    def _opened(self, number: int) -> mmap.mmap:
        if number in self._lost:
            raise BadImage(self._lost[number])
        try:
            with self.storage.local_path(self.tars[number]).open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (UserError, OSError) as error:
            self._lost[number] = str(error)
            raise BadImage(str(error)) from error
        self._open[number] = content
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return content


class AdoptedShard:
    """The images of a list, decoded when they are taken.

    Args:
        path: the list: tar, offset, size, checksum and label of each image.
        tars: that it points into.
        image: the manifest's format.
        schema: of the labels.

    Raises:
        UserError: if the list is not one of these labels, or points outside of a tar.
    """

    def __init__(self, path: Path, tars: Tars, image: ImageFormat, schema: LabelSchema) -> None:
        self.tars, self.image = tars, image
        self.decode = decoder(image.encoding, image.channels)
        entries = load_npy(path.read_bytes(), str(path))
        if entries.dtype != list_dtype(schema) or entries.ndim != 1:
            raise UserError(f"{path}: not a list of images with this kind of labels: {entries.dtype}.")
        numbers, offsets, sizes = entries["tar"], entries["offset"], entries["size"]
        lengths = np.array([tar.bytes for tar in tars.tars])
        outside = (numbers < 0) | (numbers >= len(lengths)) | (offsets < 0) | (sizes < 0)
        if outside.any() or (sizes > lengths[numbers] - offsets).any():
            raise UserError(f"{path}: points outside of the tars.")
        self.entries = entries
        self.labels = np.ascontiguousarray(entries["label"])
        schema.check(self.labels, str(path))

    def take(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """See `ShardData`."""
        entries = self.entries[indices]
        columns = (entries[name].tolist() for name in ("tar", "offset", "size", "crc32"))
        for place, (number, offset, size, crc32) in enumerate(zip(*columns, strict=True)):
            content = self.tars.read(number, offset, size)
            try:
                if zlib.crc32(content) != crc32:
                    raise CorruptImage("it is not what it was when the tars were adopted")
                decode_checked(content, self.decode, out[place])
            except CorruptImage as error:
                where = self.tars.storage.join(self.tars.tars[number].name)
                raise BadImage(f"{where}, offset {offset}: not a readable image: {error}.") from error

    def check(self) -> list[tuple[int, BadImage]]:
        """Reads everything; returns number and error of each image that cannot be used."""
        image, bad = self.image, list[tuple[int, BadImage]]()
        pixels = np.empty((1, image.height, image.width, image.channels), np.uint8)
        for index in range(len(self.labels)):
            try:
                self.take(np.array([index]), pixels)
            except BadImage as error:
                bad.append((index, error))
        return bad


def list_dtype(schema: LabelSchema) -> np.dtype[Any]:
    """The record of one image: number of its tar, offset and size in it, checksum of its bytes, and the label."""
    shape = () if schema.width is None else (schema.width,)
    place = [("tar", np.int32), ("offset", np.int64), ("size", np.int64), ("crc32", np.uint32)]
    return np.dtype([*place, ("label", schema.dtype, shape)])
