"""`celeba_hq`: 30,000 faces of CelebA at 1024x1024 with its attributes, in the layout of CelebAMask-HQ."""

from __future__ import annotations

import os
from pathlib import Path

from cgan_dist.data.source import Source
from cgan_dist.data.sources.attribute_list import Attributes, collect_attributes, columns_of, faces, official
from cgan_dist.data.sources.files import check_split, existing_folder, read_lines
from cgan_dist.errors import UserError, close_match

IMAGES = "CelebA-HQ-img"
ATTRIBUTE_LIST = "CelebAMask-HQ-attribute-anno.txt"
MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
HEADER = ["idx", "orig_idx", "orig_file"]
LAST = {"train": 162_770, "valid": 182_637, "test": 202_599}
"""The last picture of each split of CelebA, whose files are numbered from 1."""


def load(
    folder: Path | None,
    split: str,
    *,
    attributes: list[str] | None = None,
    missing: str = "error",
) -> Source:
    """Reads the lists; images are read one by one as RGB.

    Args:
        folder: with `CelebA-HQ-img/` and `CelebAMask-HQ-attribute-anno.txt`, and for splits
            `CelebA-HQ-to-CelebA-mapping.txt`; or the folder above.
        split: `train`, `valid` or `test` of CelebA, where the mapping tells them; else `train` or `all`, which are the
            same, for the set has none of its own.
        attributes: names of those to keep, in the order to keep them; all of them if left out.
        missing: `skip` leaves out listed images that are not there.

    Raises:
        UserError: if a list is missing or malformed, an image is missing, or an attribute is unknown.
    """
    folder = _inner(existing_folder(folder, "celeba_hq", f"{IMAGES}/ and {ATTRIBUTE_LIST}"))
    if not (folder / ATTRIBUTE_LIST).is_file():
        near = close_match(ATTRIBUTE_LIST, os.listdir(folder))
        raise UserError(f"{folder}: {ATTRIBUTE_LIST} is missing.{near} For CelebA type cgan-dist prepare celeba.")
    if not (folder / IMAGES).is_dir():
        raise UserError(f"{folder}: {IMAGES}/ is missing, with 0.jpg, 1.jpg and so on.")
    expected, names, rows = official(folder / ATTRIBUTE_LIST)
    table = collect_attributes(folder / ATTRIBUTE_LIST, names, rows, expected)
    columns = columns_of(table, attributes)
    names = _of_split(folder, table, split)
    return faces(table, columns, names, folder / IMAGES, missing, f"CelebA-HQ from {folder} ({split})")


def _of_split(folder: Path, table: Attributes, split: str) -> list[str]:
    path = folder / MAPPING
    if not path.is_file():
        if split not in ("train", "all"):
            raise UserError(
                f"split '{split}': {path} is missing, which says what each picture is called in CelebA, and so its "
                "split; expected train or all, which are the same without it."
            )
        return list(table.lines)
    check_split(split, (*LAST, "all"))
    original = _original(path)
    if absent := [name for name in table.lines if name not in original]:
        raise UserError(f"{path}: {absent[0]} of {ATTRIBUTE_LIST} is missing; the lists must be of one edition.")
    return [name for name in table.lines if split in ("all", _split_of(original[name]))]


def _original(path: Path) -> dict[str, int]:
    """Which picture of CelebA each is, by its name in the list of attributes."""
    lines = read_lines(path)
    if (header := next(lines, (0, ""))[1].split()) != HEADER:
        raise UserError(f"{path}: begins with {' '.join(header)[:60]}; expected {' '.join(HEADER)}.")
    found: dict[str, int] = {}
    for line, text in lines:
        fields = text.split()
        number = fields[2].partition(".")[0] if len(fields) == 3 else ""
        if not number.isdecimal() or not 1 <= int(number) <= LAST["test"] or not fields[0].isdecimal():
            raise UserError(f"{path}, line {line}: '{text[:60]}'; expected as in 0 119613 119614.jpg.")
        found[f"{fields[0]}.jpg"] = int(number)
    return found


def _split_of(number: int) -> str:
    return next(split for split, last in LAST.items() if number <= last)


def _inner(folder: Path) -> Path:
    """The one sub-folder that has the list, where the folder itself has none."""
    if (folder / ATTRIBUTE_LIST).is_file():
        return folder
    inner = [place for place in folder.iterdir() if (place / ATTRIBUTE_LIST).is_file()]
    return inner[0] if len(inner) == 1 else folder
