"""`celeba`: Liu, Luo, Wang and Tang's aligned faces with 40 attributes (arXiv:1411.7766), as published or on Kaggle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import (
    check_split,
    existing_folder,
    first_repeated,
    read_csv,
    read_lines,
    shortened,
)
from cgan_dist.data.sources.picture import Pictures
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import AttributeLabels

PARTITIONS = {"train": "0", "valid": "1", "test": "2"}
BITS = {"1": 1, "-1": 0}
ATTRIBUTE_LIST = "list_attr_celeba"
PARTITION_LIST = "list_eval_partition"
IMAGES = "img_align_celeba"
Row = tuple[int, list[str]]


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


def load(folder: Path | None, split: str, *, attributes: list[str] | None = None) -> Source:
    """Reads the lists; images are read one by one as RGB.

    Args:
        folder: with `img_align_celeba/`, `list_attr_celeba` and `list_eval_partition`, the lists as `.txt` (published,
            also in its sub-folders `Img`, `Anno` and `Eval`) or as `.csv` (Kaggle).
        split: `train`, `valid` or `test` of the published partition, or `all`.
        attributes: names of those to keep, in the order to keep them; all of them if left out.

    Raises:
        UserError: if a list is missing or malformed, the lists contradict each other, an image is missing, or an
            attribute is unknown.
    """
    check_split(split, (*PARTITIONS, "all"))
    folder = existing_folder(folder, "celeba", f"{IMAGES}/, {ATTRIBUTE_LIST} and {PARTITION_LIST}")
    table = _read_attributes(folder)
    columns = _columns(table, attributes)
    partition = _read_partition(folder, table)
    names = list(table.lines)
    chosen = [index for index, name in enumerate(names) if split == "all" or partition[name] == PARTITIONS[split]]
    kept = tuple(names[index] for index in chosen)
    return Source(
        labels=np.ascontiguousarray(table.bits[chosen][:, columns]),
        schema=AttributeLabels(names=[table.names[column] for column in columns]),
        read=Pictures(_images_folder(folder, kept, table), kept, rgb=True),
        description=f"CelebA from {folder} ({split})",
    )


def _read_attributes(folder: Path) -> Attributes:
    path = _list_path(folder, ATTRIBUTE_LIST, "Anno")
    expected, names, rows = _official(path) if path.suffix == ".txt" else _kaggle(path)
    if repeated := first_repeated(names):
        raise UserError(f"{path}: the attribute '{repeated}' is there twice.")
    lines: dict[str, int] = {}
    bits = bytearray()
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
    if expected is not None and expected != len(lines):
        raise UserError(
            f"{path}: its first line says {expected:,} images, the list holds {len(lines):,}; "
            "it is cut off or was edited, fetch it again."
        )
    return Attributes(path, names, lines, np.frombuffer(bytes(bits), np.uint8).reshape(len(lines), len(names)))


def _official(path: Path) -> tuple[int, list[str], Iterator[Row]]:
    lines = read_lines(path)
    (_, count), (_, header) = next(lines, (0, "")), next(lines, (0, ""))
    if not count.isdecimal() or not header:
        raise UserError(
            f"{path}: begins with '{count[:60]}'; expected a line with the number of images, then a line "
            "of attribute names."
        )
    return int(count), header.split(), ((line, text.split()) for line, text in lines)


def _kaggle(path: Path) -> tuple[None, list[str], Iterator[Row]]:
    header, rows = read_csv(path)
    if header[0] != "image_id" or len(header) == 1:
        raise UserError(f"{path}: its first line is {shortened(header)}; expected image_id, then attribute names.")
    return None, header[1:], rows


def _columns(table: Attributes, wanted: list[str] | None) -> list[int]:
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


def _read_partition(folder: Path, table: Attributes) -> dict[str, str]:
    suffix = table.path.suffix
    try:
        path = _list_path(folder, PARTITION_LIST, "Eval", (suffix,))
    except UserError as error:
        raise UserError(f"{error} {table.path.name} alone does not say which image is for training.") from None
    if suffix == ".txt":
        rows: Iterator[Row] = ((line, text.split()) for line, text in read_lines(path))
    else:
        header, rows = read_csv(path)
        if header != ["image_id", "partition"]:
            raise UserError(f"{path}: its first line is {shortened(header)}; expected image_id, partition.")
    partition: dict[str, str] = {}
    for line, fields in rows:
        where = f"{path}, line {line}"
        if len(fields) != 2 or fields[1] not in PARTITIONS.values():
            raise UserError(f"{where}: '{' '.join(fields)}'; expected an image and 0 (train), 1 (valid) or 2 (test).")
        if fields[0] in partition:
            raise UserError(f"{where}: {fields[0]} is listed a second time.")
        if fields[0] not in table.lines:
            raise UserError(f"{where}: {fields[0]} is not in {table.path.name}; the lists must be of one edition.")
        partition[fields[0]] = fields[1]
    for name in table.lines:
        if name not in partition:
            raise UserError(f"{path}: {name} of {table.path.name} is missing; the lists must be of one edition.")
    return partition


def _list_path(folder: Path, stem: str, published_in: str, suffixes: tuple[str, ...] = (".txt", ".csv")) -> Path:
    for suffix in suffixes:
        for path in (folder / f"{stem}{suffix}", folder / published_in / f"{stem}{suffix}"):
            if path.is_file():
                return path
    wanted = " or ".join(f"{stem}{suffix}" for suffix in suffixes)
    raise UserError(f"{folder}: {wanted} is missing.{close_match(stem + suffixes[0], os.listdir(folder))}")


def _images_folder(folder: Path, names: tuple[str, ...], table: Attributes) -> Path:
    for candidate in (folder / IMAGES / IMAGES, folder / IMAGES, folder / "Img" / IMAGES):
        if candidate.is_dir():
            break
    else:
        raise UserError(f"{folder}: {IMAGES}/ is missing; unpack {IMAGES}.zip there.")
    present = set(os.listdir(candidate))
    missing = [name for name in names if name not in present]
    if missing:
        raise UserError(
            f"{candidate}: {missing[0]} is missing, which {table.path.name} lists in line {table.lines[missing[0]]}; "
            f"{len(missing):,} of {len(names):,} images are not there. Unpack {IMAGES}.zip again."
        )
    return candidate
