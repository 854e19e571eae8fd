"""Columns of a table to labels: classes, tags, numbers, truths, one of them or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cgan_dist.data.arrow.features import Feature
from cgan_dist.data.arrow.table_files import library
from cgan_dist.data.sources.class_numbers import named_numbers
from cgan_dist.data.sources.files import first_repeated, shortened
from cgan_dist.data.sources.label_columns import bits, named, reals, tagged
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, Labels, LabelSchema, Part, ProductLabels

OwnLabels = tuple[Labels, Part]


def read_column(column: Any, feature: Feature, names: list[str] | None, first_label: int, where: str) -> OwnLabels:
    """Makes labels of one column.

    Args:
        column: `pyarrow.ChunkedArray` of the rows of all splits.
        feature: its description by `datasets`, or {}.
        names: of the classes, where the user gives them.
        first_label: the number of the first class, where the column has bare numbers.
        where: place and name of the column, for errors.

    Raises:
        UserError: if a row has no label, or the values are none that labels are made of.
    """
    kinds = library().types
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        raise UserError(
            f"{where}: {column.null_count:,} of {len(column):,} rows have no label. Choose another column with "
            "--option label=NAME, or take none with unlabelled=true."
        )
    if _is_list(column.type):
        return _read_lists(column, feature, names, where)
    if kinds.is_string(column.type) or kinds.is_large_string(column.type):
        texts = column.to_pylist()
        if empty := [row for row, text in enumerate(texts) if not text.strip()]:
            raise UserError(f"{where}: row {empty[0]} is empty; expected the name of a class.")
        return named([text.strip() for text in texts])
    values = column.to_numpy()
    name = where.rpartition(" ")[2]
    if kinds.is_boolean(column.type):
        return bits(values[:, None].astype(np.uint8), [name], where)
    if kinds.is_floating(column.type):
        return reals(values[:, None], [name], where)
    if not kinds.is_integer(column.type):
        raise UserError(f"{where}: {column.type}; expected numbers, text, truths or lists of them.")
    if feature.get("_type") == "ClassLabel" and names is None:
        return _of_class_label(values, _names_of(feature, where), where)
    return named_numbers(values, names, where, first_label)


def join(parts: Sequence[OwnLabels], place: str) -> tuple[Labels, LabelSchema]:
    """Lays the labels of several columns side by side; attributes become one part, real values another.

    Raises:
        UserError: if two share a name.
    """
    merged = [own for own in parts if isinstance(own[1], ClassLabels)]
    attributes = [own for own in parts if isinstance(own[1], AttributeLabels)]
    continuous = [own for own in parts if isinstance(own[1], ContinuousLabels)]
    names = [name for _, part in parts for name in part.names]
    if repeated := first_repeated(names):
        raise UserError(
            f"{place}: two columns of labels have the name '{repeated}'; labels of several kinds need a different name "
            "for each. Take one of the two columns."
        )
    if attributes:
        schema: Part = AttributeLabels(names=[name for _, part in attributes for name in part.names])
        merged.append((np.concatenate([own for own, _ in attributes], axis=1), schema))
    if continuous:
        ranges = [pair for _, part in continuous if isinstance(part, ContinuousLabels) for pair in part.ranges]
        schema = ContinuousLabels(names=[name for _, part in continuous for name in part.names], ranges=ranges)
        merged.append((np.concatenate([own for own, _ in continuous], axis=1), schema))
    if len(merged) == 1:
        return merged[0]
    product = ProductLabels(parts=[part for _, part in merged])
    return product.join([own for own, _ in merged]), product


def _of_class_label(values: Any, names: list[str], where: str) -> OwnLabels:
    if unlabelled := int((values == -1).sum()):
        raise UserError(
            f"{where}: {unlabelled:,} of {len(values):,} rows have the label -1, as sets do whose test labels are kept "
            "back. Choose another --split, or take no labels with --option unlabelled=true."
        )
    return values.astype(np.int64), ClassLabels(names=names)


def _read_lists(column: Any, feature: Feature, names: list[str] | None, where: str) -> OwnLabels:
    """Lists of tags, or vectors of bits or real values."""
    kinds = library().types
    inner = column.type.value_type
    rows = column.to_pylist()
    lengths = {len(row) for row in rows}
    element = feature.get("feature")
    if not names and isinstance(element, dict) and element.get("_type") == "ClassLabel":
        names = _names_of(element, where)
    if any(value is None for row in rows for value in row) or _is_list(inner):
        raise UserError(
            f"{where}: lists of {inner}, some of nothing; expected lists of names, of classes or of numbers."
        )
    if kinds.is_string(inner) or kinds.is_large_string(inner):
        return tagged(rows, where)
    if len(lengths) == 1 and lengths != {0} and (names is None or len(names) in lengths):
        vectors = np.array(rows)
        if names is None:
            names = [f"{where.rpartition(' ')[2]}_{place}" for place in range(vectors.shape[1])]
        if kinds.is_floating(inner):
            return reals(vectors, names, where)
        if vectors.shape[1] > 1 and np.isin(vectors, (0, 1)).all():
            return bits(vectors.astype(np.uint8), names, where)
    if not kinds.is_integer(inner):
        raise UserError(
            f"{where}: lists of {inner}, {shortened(sorted(map(str, lengths)))} long; expected lists of names or of "
            "the numbers of classes, or vectors of one length."
        )
    return _of_numbers(rows, names, where)


def _of_numbers(rows: list[list[int]], names: list[str] | None, where: str) -> OwnLabels:
    highest = max((number for row in rows for number in row), default=-1)
    names = names or [str(number) for number in range(highest + 1)]
    found = np.zeros((len(rows), len(names)), np.uint8)
    for place, row in enumerate(rows):
        if wrong := [number for number in row if not 0 <= number < len(names)]:
            raise UserError(f"{where}: row {place} has the class {wrong[0]}; expected 0..{len(names) - 1}.")
        found[place, row] = 1
    if not names:
        raise UserError(f"{where}: the lists are all empty; expected the classes that each picture shows.")
    return found, AttributeLabels(names=names)


def _names_of(feature: Feature, where: str) -> list[str]:
    names = feature.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{where}: its metadata give no names of classes; give them: --option class_names=[...].")
    if repeated := first_repeated(names):
        raise UserError(
            f"{where}: its metadata name the class '{repeated}' twice; give other --option class_names=[...]."
        )
    return names


def _is_list(kind: Any) -> bool:
    kinds = library().types
    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))
