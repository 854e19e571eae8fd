"""What the sets of CelebA share: a list of attributes, and pictures by the names in it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import first_repeated, read_lines
from cgan_dist.data.sources.picture import Pictures
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import AttributeLabels

MISSING = ("error", "skip")
BITS = {"1": 1, "-1": 0, "0": 0}
Row = tuple[int, list[str]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attributes:
    """The attribute list.

    Attributes:
        path: of the file.
        names: of the attributes.
        lines: where each image is listed, by its file name, in the order of the list.
        bits: (N, A) uint8, 0 or 1.
    """

    path: Path
    names: list[str]
    lines: dict[str, int]
    bits: NDArray[np.uint8]


def collect_attributes(path: Path, names: list[str], rows: Iterable[Row], expected: int | None) -> Attributes:
    """Gathers the rows of a list.

    Args:
        path: of it, for errors.
        names: of the attributes.
        rows: line number, and an image's name and values.
        expected: how many rows there should be, where the list says it.

    Raises:
        UserError: naming the line, if a row is malformed or there twice, or the list is cut off.
    """
    if repeated := first_repeated(names):
        raise UserError(f"{path}: the attribute '{repeated}' is there twice.")
    lines: dict[str, int] = {}
    bits = bytearray()
    spellings: set[str] = set()
    for line, (image, *values) in rows:
        where = f"{path}, line {line}"
        if len(values) != len(names):
            raise UserError(f"{where}: {image} has {len(values)} values, expected {len(names)}, one per attribute.")
        if image in lines:
            raise UserError(f"{where}: {image} is listed a second time, first in line {lines[image]}.")
        lines[image] = line
        try:
            bits.extend([BITS[value] for value in values])
        except KeyError as error:
            name = names[values.index(error.args[0])]
            raise UserError(f"{where}: {image}, {name}: '{error.args[0]}'; expected 1 or -1.") from None
        spellings.update(values)
        if {"0", "-1"} <= spellings:
            raise UserError(f"{where}: {image}: both 0 and -1 are in the list; expected one of them for no.")
    if expected is not None and expected != len(lines):
        raise UserError(
            f"{path}: its first line says {expected:,} images, the list holds {len(lines):,}; "
            "it is cut off or was edited, fetch it again."
        )
    return Attributes(path, names, lines, np.frombuffer(bytes(bits), np.uint8).reshape(len(lines), len(names)))


def official(path: Path) -> tuple[int, list[str], Iterator[Row]]:
    """Reads a list as published: the number of images, a line of names, then a line an image.

    Raises:
        UserError: if it does not begin so.
    """
    lines = read_lines(path)
    (_, count), (_, header) = next(lines, (0, "")), next(lines, (0, ""))
    if not count.isdecimal() or not header:
        raise UserError(
            f"{path}: begins with '{count[:60]}'; expected a line with the number of images, then a line "
            "of attribute names."
        )
    return int(count), header.split(), ((line, text.split()) for line, text in lines)


def columns_of(table: Attributes, wanted: list[str] | None) -> list[int]:
    """Returns the columns of some attributes in the order given, by default of all.

    Raises:
        UserError: if the list has no such attribute, or one is named twice.
    """
    if wanted is None:
        return list(range(len(table.names)))
    if not wanted:
        raise UserError("attributes: an empty list; name at least one, or leave the option out for all of them.")
    if repeated := first_repeated(wanted):
        raise UserError(f"attributes: '{repeated}' is there twice; name each once.")
    for name in wanted:
        if name not in table.names:
            raise UserError(
                f"attributes: {table.path} has no '{name}'.{close_match(name, table.names)} It has "
                f"{', '.join(table.names)}."
            )
    return [table.names.index(name) for name in wanted]


def faces(
    table: Attributes, columns: list[int], names: list[str], images: Path, missing: str, description: str
) -> Source:
    """Some pictures of a list, read as RGB, with some of its attributes.

    Args:
        table: the list.
        columns: of the attributes, from `columns_of`.
        names: of the pictures, as the list has them.
        images: folder of the files.
        missing: `error`, or `skip`, which leaves out those that are not there.
        description: of the set.

    Raises:
        UserError: if one is missing, or all are.
    """
    files = _files_of(names, images, table, missing)
    place = {name: number for number, name in enumerate(table.lines)}
    chosen = [place[name] for name in files]
    return Source(
        labels=np.ascontiguousarray(table.bits[chosen][:, columns]),
        schema=AttributeLabels(names=[table.names[column] for column in columns]),
        read=Pictures(images, tuple(files.values()), rgb=True),
        description=description,
    )


def _files_of(names: list[str], images: Path, table: Attributes, missing: str) -> dict[str, str]:
    """The file of each image, by its name in the list, which says .jpg of PNG files too."""
    if missing not in MISSING:
        raise UserError(f"missing: '{missing}'; expected {' or '.join(MISSING)}.")
    present = set(os.listdir(images))
    files = {name: next((file for file in (name, f"{Path(name).stem}.png") if file in present), None) for name in names}
    absent = [name for name, file in files.items() if file is None]
    if absent and (missing == "error" or len(absent) == len(names)):
        raise UserError(
            f"{images}: {absent[0]} is missing, which {table.path.name} lists in line {table.lines[absent[0]]}; "
            f"{len(absent):,} of {len(names):,} images are not there. Unpack {images.name}.zip again, or take those "
            "that are there with --option missing=skip."
        )
    if absent:
        logger.warning("%s: %s of %s listed images are not there; skipped.", images, len(absent), len(names))
    return {name: file for name, file in files.items() if file is not None}
