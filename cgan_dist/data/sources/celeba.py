"""`celeba`: Liu, Luo, Wang and Tang's aligned faces with 40 attributes (arXiv:1411.7766), as published or on Kaggle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cgan_dist.data.source import Source
from cgan_dist.data.sources.attribute_list import (
    Attributes,
    Row,
    collect_attributes,
    columns_of,
    faces,
    official,
)
from cgan_dist.data.sources.celeba_hq import ATTRIBUTE_LIST as HQ_LIST
from cgan_dist.data.sources.csv_file import read_csv
from cgan_dist.data.sources.files import check_split, existing_folder, read_lines, shortened
from cgan_dist.errors import UserError, close_match

SUFFIXES = (".txt", ".csv")
PARTITIONS = {"train": "0", "valid": "1", "test": "2"}
ATTRIBUTE_LIST = "list_attr_celeba"
PARTITION_LIST = "list_eval_partition"
IMAGES = "img_align_celeba"


def load(
    folder: Path | None,
    split: str,
    *,
    attributes: list[str] | None = None,
    missing: str = "error",
) -> Source:
    """Reads the lists; images are read one by one as RGB.

    Args:
        folder: with `img_align_celeba/`, `list_attr_celeba` and `list_eval_partition`, the lists as `.txt` (published,
            also in its sub-folders `Img`, `Anno` and `Eval`) or as `.csv` (Kaggle); or the folder above.
        split: `train`, `valid` or `test` of the published partition, or `all`, which does without one.
        attributes: names of those to keep, in the order to keep them; all of them if left out.
        missing: `skip` leaves out listed images that are not there.

    Raises:
        UserError: if a list is missing or malformed, the lists contradict each other, an image is missing, or an
            attribute is unknown.
    """
    check_split(split, (*PARTITIONS, "all"))
    folder = _inner(existing_folder(folder, "celeba", f"{IMAGES}/, {ATTRIBUTE_LIST} and {PARTITION_LIST}"))
    table = _read_attributes(folder)
    columns = columns_of(table, attributes)
    partition = _read_partition(folder, table, split)
    names = [name for name in table.lines if split == "all" or partition[name] == PARTITIONS[split]]
    return faces(table, columns, names, _images_folder(folder), missing, f"CelebA from {folder} ({split})")


def _read_attributes(folder: Path) -> Attributes:
    path = _list_path(folder, ATTRIBUTE_LIST, "Anno")
    expected, names, rows = official(path) if path.suffix == ".txt" else _kaggle(path)
    return collect_attributes(path, names, rows, expected)


def _kaggle(path: Path) -> tuple[None, list[str], Iterator[Row]]:
    header, rows = read_csv(path)
    if header[0] != "image_id" or len(header) == 1:
        raise UserError(f"{path}: its first line is {shortened(header)}; expected image_id, then attribute names.")
    return None, header[1:], rows


def _read_partition(folder: Path, table: Attributes, split: str) -> dict[str, str]:
    """Empty where there is none and none is needed."""
    suffix = table.path.suffix
    try:
        path = _list_path(folder, PARTITION_LIST, "Eval", (suffix,))
    except UserError as error:
        if split == "all":
            return {}
        raise UserError(
            f"{error} {table.path.name} alone does not say which image is for training; --split all takes every one."
        ) from None
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


def _list_path(folder: Path, stem: str, published_in: str, suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    for suffix in suffixes:
        for path in (folder / f"{stem}{suffix}", folder / published_in / f"{stem}{suffix}"):
            if path.is_file():
                return path
    wanted = " or ".join(f"{stem}{suffix}" for suffix in suffixes)
    near = close_match(stem + suffixes[0], os.listdir(folder))
    if (folder / HQ_LIST).exists():
        near = " This is CelebA-HQ: cgan-dist prepare celeba_hq."
    raise UserError(f"{folder}: {wanted} is missing.{near}")


def _images_folder(folder: Path) -> Path:
    for name in (IMAGES, f"{IMAGES}_png"):
        for candidate in (folder / name / name, folder / name, folder / "Img" / name):
            if candidate.is_dir():
                return candidate
    raise UserError(f"{folder}: {IMAGES}/ is missing; unpack {IMAGES}.zip there.")


def _inner(folder: Path) -> Path:
    """The one sub-folder that has an attribute list, where the folder itself has none."""
    inner = [] if _has_list(folder) else [place for place in folder.iterdir() if _has_list(place)]
    return inner[0] if len(inner) == 1 else folder


def _has_list(folder: Path) -> bool:
    paths = (folder / inside / f"{ATTRIBUTE_LIST}{suffix}" for inside in ("", "Anno") for suffix in SUFFIXES)
    return any(path.is_file() for path in paths)
