"""Form `folder`: a PNG file for each image, in a folder for each class, and a table of all labels."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.codecs import encode
from cgan_dist.image_sets.base import RECORD, SetFacts, SetForm
from cgan_dist.labels import AttributeLabels, ClassLabels, Labels, LabelSchema, Part, ProductLabels

TABLE = "labels.csv"
UNSORTED = "images"
LONGEST = 80
DIGITS = 6
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


class PictureFolder(SetForm):
    """`CLASS/000123.png`, or `images/000123.png` where labels are not classes, with `labels.csv` beside them.

    A product has the folders of its first classes.
    """

    suffix = ""

    def __init__(self, folder: Path, facts: SetFacts) -> None:
        super().__init__(folder, facts)
        self.made = folder / "set"
        digits = max(DIGITS, len(str(len(facts) - 1)))
        folders, numbers = _folders(facts.schema, facts.labels)
        self.names = [f"{folders[own]}/{number:0{digits}d}.png" for number, own in enumerate(numbers)]
        self.folders = sorted({folders[own] for own in np.unique(numbers)})

    def write(self, first: int, images: NDArray[np.uint8]) -> str:
        """See `SetForm`."""
        for name in self.folders:
            (self.made / name).mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        for name, image in zip(self.names[first : first + len(images)], images, strict=True):
            content = encode(image, "png", 0)
            digest.update(content)
            (self.made / name).write_bytes(content)
        return digest.hexdigest()

    def digest(self, first: int, count: int) -> str | None:
        """See `SetForm`."""
        digest = hashlib.sha256()
        try:
            for name in self.names[first : first + count]:
                digest.update((self.made / name).read_bytes())
        except FileNotFoundError:
            return None
        return digest.hexdigest()

    def finish(self) -> Path:
        """Writes the table."""
        header, columns = _table(self.facts.schema, self.facts.labels)
        with (self.made / TABLE).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow([_unused("path", header), *header])
            rows.writerows(zip(self.names, *columns, strict=True))
        return self.made

    def missing(self, out: Path) -> list[str]:
        """Pictures, and the table."""
        return [name for name in [TABLE, *self.names] if not (out / name).is_file()]


def safe_names(names: Sequence[str]) -> list[str]:
    """Names of folders for names of classes: different for each, even where capitals are all the same.

    Letters, digits, spaces and `.+-_` stay, and what no file system minds; anything else becomes `_`.
    """
    found: list[str] = []
    taken = {TABLE, RECORD}
    for number, name in enumerate(names):
        safe = re.sub(r"[^\w .+-]", "_", name)[:LONGEST].strip(" .")
        if not safe or RESERVED.fullmatch(safe):
            safe = f"{safe}_"
        if safe.casefold() in taken:
            safe = f"{safe}_{number}"
        while safe.casefold() in taken:
            safe += "_"
        taken.add(safe.casefold())
        found.append(safe)
    return found


def _parts(schema: LabelSchema, labels: Labels) -> list[tuple[Part, Labels]]:
    """Labels of each kind by themselves; none where there are no labels."""
    if isinstance(schema, ProductLabels):
        return list(zip(schema.parts, schema.split(labels), strict=True))
    return [(schema, labels)] if schema.names else []  # type: ignore[list-item]


def _folders(schema: LabelSchema, labels: Labels) -> tuple[list[str], NDArray[np.int64]]:
    """All folders there can be, and the number of each image's."""
    for part, own in _parts(schema, labels):
        if isinstance(part, ClassLabels):
            return safe_names(part.names), own
    return [UNSORTED], np.zeros(len(labels), np.int64)


def _table(schema: LabelSchema, labels: Labels) -> tuple[list[str], list[list[object]]]:
    """Columns as `cgan-dist prepare csv` reads them: the name of a class, 0 or 1, or a number."""
    header: list[str] = []
    columns: list[list[object]] = []
    taken = [name for part, _ in _parts(schema, labels) if not isinstance(part, ClassLabels) for name in part.names]
    for part, own in _parts(schema, labels):
        if isinstance(part, ClassLabels):
            header.append(_unused("label", [*header, *taken]))
            columns.append([part.names[number] for number in own])
            continue
        header += part.names
        columns += [
            column.tolist() if isinstance(part, AttributeLabels) else list(map(str, column)) for column in own.T
        ]
    return header, columns


def _unused(name: str, taken: Sequence[str]) -> str:
    """A name for a column that no attribute or value has."""
    return _unused(f"{name}_", taken) if name in taken else name
