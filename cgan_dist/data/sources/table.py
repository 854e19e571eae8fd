"""What `csv` and `jsonl` share: a manifest with a row per image, its path in one column and its labels in others."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import check_split, first_repeated, shortened
from cgan_dist.data.sources.label_columns import LARGEST, named, tagged
from cgan_dist.data.sources.picture import Pictures
from cgan_dist.data.sources.picture_paths import PicturePaths
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import AttributeLabels, ContinuousLabels, Labels, LabelSchema, Part, ProductLabels

BITS = dict.fromkeys(("1", "true", "t", "yes", "y"), 1) | dict.fromkeys(("0", "-0", "-1", "false", "f", "no", "n"), 0)
DEFAULT_LABEL = "label"
Row = tuple[int, Mapping[str, object]]
"""Line number in the manifest, and values by column: text (csv) or what JSON has."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns hold what; of `label`, `attributes` and `continuous` one or more, the column `label` by default.

    Attributes:
        path: the picture's path below the folder, as `PicturePaths` takes it.
        label: the name of its class; where JSON has a list, tags, each of which is an attribute.
        attributes: yes or no each: 1, true or yes, and 0, -1, false or no.
        continuous: a number each.
        ranges: [low, high] of each of `continuous`; by default the least and the greatest value of all rows.
        split_column: the name of the split that the row belongs to.

    Raises:
        UserError: if the options contradict each other.
    """

    path: str
    label: str | None
    attributes: list[str] | None
    continuous: list[str] | None
    ranges: list[list[float]] | None
    split_column: str | None

    def __post_init__(self) -> None:
        for option, columns in self.of_labels.items():
            if not columns:
                raise UserError(f"{option}: an empty list; name at least one column.")
        if repeated := first_repeated([column for columns in self.of_labels.values() for column in columns]):
            options = [option for option, columns in self.of_labels.items() if repeated in columns]
            raise UserError(f"{' and '.join(options)}: '{repeated}' is there twice; name each column once.")
        if self.ranges is not None:
            self._check_ranges(self.ranges)

    @property
    def of_labels(self) -> dict[str, list[str]]:
        """The columns that make up the label, by option."""
        label = None if self.label is None else [self.label]
        options = {"label": label, "attributes": self.attributes, "continuous": self.continuous}
        return {option: columns for option, columns in options.items() if columns is not None} or {
            "label": [DEFAULT_LABEL]
        }

    def _check_ranges(self, ranges: list[list[float]]) -> None:
        if self.continuous is None:
            raise UserError("ranges: only columns of the option continuous have a range.")
        if len(ranges) != len(self.continuous):
            raise UserError(f"ranges: {len(ranges)}, expected one [low, high] for each of {self.continuous}.")
        for pair in ranges:
            if len(pair) != 2 or not all(abs(end) <= LARGEST for end in pair) or pair[0] >= pair[1]:
                raise UserError(f"ranges: {pair}; expected [low, high] with low < high, both within float32.")


def read_table(folder: Path, split: str, manifest: Path, rows: Iterable[Row], columns: Columns) -> Source:
    """Makes a source of a manifest's rows.

    Class names and default ranges come from the rows of all splits, so that they are the same for each split.

    Args:
        folder: that paths are relative to.
        split: a value of `columns.split_column`, or `all`; without that column `train` or `all`, which are the same.
        manifest: for errors.
        rows: in the order of the file; read once.
        columns: what to take from them.

    Raises:
        UserError: naming the line, if a value is missing or malformed, a path leaves the folder, or a picture is
            missing.
    """
    if columns.split_column is None:
        check_split(split, ("train", "all"))
    converts: dict[str, Callable[..., Any]] = {"label": _class_name, "attributes": _bit, "continuous": _number}
    readers = [(converts[option], column) for option, names in columns.of_labels.items() for column in names]
    paths = PicturePaths(folder)
    lines: list[int] = []
    names: list[str] = []
    splits: list[str] = []
    cells: list[list[Any]] = []
    for line, row in rows:
        where = f"{manifest}, line {line}"
        lines.append(line)
        names.append(paths.relative(_text(row, columns.path, where), where))
        splits.append(_text(row, columns.split_column, where) if columns.split_column else split)
        cells.append([convert(row, column, where) for convert, column in readers])
    if not lines:
        raise UserError(f"{manifest}: no rows; expected one per image.")
    if columns.split_column is not None:
        check_split(split, (*sorted(set(splits)), "all"))
    labels, schema = _labels(cells, columns, manifest, lines)
    chosen = [index for index, name in enumerate(splits) if split in ("all", name)]
    found = tuple(paths.find(names[index], f"{manifest}, line {lines[index]}") for index in chosen)
    pictures = Pictures(folder, found)
    return Source(labels=labels[chosen], schema=schema, read=pictures, description=f"{manifest} ({split})")


def _labels(cells: list[list[Any]], columns: Columns, manifest: Path, lines: list[int]) -> tuple[Labels, LabelSchema]:
    """The labels of all rows: of one kind as they are, of several side by side."""
    by_column = list(zip(*cells, strict=True))
    parts: list[tuple[Labels, Part]] = []
    for option, names in columns.of_labels.items():
        own, by_column = by_column[: len(names)], by_column[len(names) :]
        if option == "label":
            parts.append(_classes(own[0], manifest, lines))
        elif option == "attributes":
            parts.append((np.array(own, np.uint8).T, AttributeLabels(names=names)))
        else:
            parts.append(_values(np.array(own, np.float32).T, columns.ranges, names, manifest, lines))
    if len(parts) == 1:
        return parts[0]
    if repeated := first_repeated([name for _, part in parts for name in part.names]):
        raise UserError(
            f"{manifest}: '{repeated}' is both a class of the column {columns.label} and a column of its own; labels "
            "of several kinds need a different name for each. Rename one of the two."
        )
    schema = ProductLabels(parts=[part for _, part in parts])
    return schema.join([labels for labels, _ in parts]), schema


def _classes(found: Sequence[str | list[str]], manifest: Path, lines: list[int]) -> tuple[Labels, Part]:
    """Those of a column of names, or attributes where it has a list of tags in each row."""
    names = [name for name in found if isinstance(name, str)]
    if len(names) == len(found):
        return named(names)
    for line, name in zip(lines, found, strict=True):
        if isinstance(name, str):
            raise UserError(
                f"{manifest}, line {line}: '{name}'; other rows have lists of tags, expected one here too: ['{name}']."
            )
    return tagged([tags for tags in found if isinstance(tags, list)], str(manifest))


def _values(
    values: NDArray[np.float32], ranges: list[list[float]] | None, names: list[str], manifest: Path, lines: list[int]
) -> tuple[Labels, ContinuousLabels]:
    ranges = ranges or _data_ranges(values, names, manifest)
    low, high = np.array(ranges, np.float32).T
    for row, column in np.argwhere((values < low) | (values > high))[:1]:
        raise UserError(
            f"{manifest}, line {lines[row]}: {names[column]} is {values[row, column]:g}, outside of the range "
            f"{low[column]:g} to {high[column]:g} that the option ranges states."
        )
    pairs = [(float(least), float(greatest)) for least, greatest in ranges]
    return values, ContinuousLabels(names=names, ranges=pairs)


def _data_ranges(values: NDArray[np.float32], names: list[str], manifest: Path) -> list[list[float]]:
    ranges = np.stack([values.min(0), values.max(0)], axis=1).astype(float).tolist()
    for name, (low, high) in zip(names, ranges, strict=True):
        if low == high:
            raise UserError(
                f"{manifest}: {name} is {low:g} in every row, which is no range; leave it out, or state "
                "the option ranges."
            )
    return ranges  # type: ignore[no-any-return]


def _text(row: Mapping[str, object], column: str, where: str) -> str:
    value = _value(row, column, where)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: {column} is {value!r}; expected text.")
    return value.strip()


def _class_name(row: Mapping[str, object], column: str, where: str) -> str | list[str]:
    value = _value(row, column, where)
    if isinstance(value, list):
        return [_name(tag, column, where) for tag in value]
    return _name(value, column, where)


def _name(value: object, column: str, where: str) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise UserError(f"{where}: {column} is {value!r}; expected the name or the number of a class.")
    return str(value).strip()


def _bit(row: Mapping[str, object], column: str, where: str) -> int:
    value = _value(row, column, where)
    text = str(value).strip().lower()
    with contextlib.suppress(ValueError):
        text = f"{float(text):g}"
    if text not in BITS:
        raise UserError(f"{where}: {column} is {value!r}; expected 1, true or yes, or 0, -1, false or no.")
    return BITS[text]


def _number(row: Mapping[str, object], column: str, where: str) -> float:
    value = _value(row, column, where)
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= LARGEST:
        raise UserError(f"{where}: {column} is {value!r}; expected a finite number.")
    return number


def _value(row: Mapping[str, object], column: str, where: str) -> object:
    if column not in row:
        raise UserError(f"{where}: no column '{column}'.{close_match(column, row)} It has {shortened(list(row))}.")
    return row[column]
