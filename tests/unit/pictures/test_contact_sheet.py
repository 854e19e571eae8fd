"""The contact sheet: an image lies under the name of its label, for every kind of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.grid import GAP
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, NoLabels, ProductLabels
from cgan_dist.pictures.contact_sheet import MAX_COLUMNS, ROWS, columns_of, contact_sheet

SIDE = 48
COUNT = 120
WHITE = 255


def columns(schema: LabelSchema, labels: np.ndarray, **options: int) -> dict[str, list[int]]:
    """Numbers of the labels under each name."""
    return {name: np.flatnonzero(fits(labels)).tolist() for name, fits in columns_of(schema, **options).items()}


def test_a_class_has_a_column() -> None:
    schema = ClassLabels(names=["ant", "bee", "cat"])
    assert columns(schema, np.array([2, 0, 0, 2])) == {"ant": [1, 2], "bee": [], "cat": [0, 3]}


def test_an_attribute_has_a_column_without_it_and_one_with_it() -> None:
    labels = np.array([[1, 0], [0, 0], [1, 1]], np.uint8)
    expected = {"no hat": [1], "hat": [0, 2], "no smile": [0, 1], "smile": [2]}
    assert columns(AttributeLabels(names=["hat", "smile"]), labels) == expected


def test_a_value_has_four_columns_that_divide_its_range() -> None:
    labels = np.array([[0, 5], [2.4, 5], [2.5, 6], [9.9, 8.9], [10, 9]], np.float32)
    schema = ContinuousLabels(names=["x", "y"], ranges=[(0.0, 10.0), (5.0, 9.0)])
    assert columns(schema, labels) == {
        "x 0": [0, 1],
        "x 2.5": [2],
        "x 5": [],
        "x 7.5": [3, 4],
        "y 5": [0, 1],
        "y 6": [2],
        "y 7": [],
        "y 8": [3, 4],
    }


@pytest.mark.parametrize("limits", [(0.0, 1.0), (0.7, 0.9), (1990.0, 2000.0), (1.7e9, 1.7e9 + 86400), (-1e-9, 1e-9)])
def test_every_value_of_a_range_has_its_column(limits: tuple[float, float]) -> None:
    labels = np.linspace(*limits, 41).astype(np.float32)[:, None]
    found = columns(ContinuousLabels(names=["x"], ranges=[limits]), labels)
    assert len(found) == 4
    assert sorted(number for numbers in found.values() for number in numbers) == list(range(41))
    assert all(8 <= len(numbers) <= 12 for numbers in found.values())


def test_without_labels_any_image_fits_anywhere() -> None:
    found = columns(NoLabels(), np.zeros((3, 0), np.uint8))
    assert len(found) == ROWS
    assert set(map(tuple, found.values())) == {(0, 1, 2)}
    assert not "".join(found).strip()


def test_a_product_has_the_columns_of_its_parts_in_turn() -> None:
    parts = [ClassLabels(names=["ant", "bee"]), AttributeLabels(names=["hat"])]
    labels = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    expected = {"ant": [1, 2], "bee": [0], "no hat": [0, 2], "hat": [1]}
    assert columns(ProductLabels(parts=parts), labels) == expected
    assert list(columns(ProductLabels(parts=parts), labels, count=3)) == ["ant", "bee", "no hat"]
    assert list(columns(ProductLabels(parts=parts[::-1]), labels[:, ::-1])) == ["no hat", "hat", "ant", "bee"]


@pytest.mark.parametrize("count", [1, 5])
def test_there_are_no_more_columns_than_wanted(count: int) -> None:
    names = [f"n{number}" for number in range(40)]
    assert list(columns_of(ClassLabels(names=names), count)) == names[:count]
    assert len(columns_of(AttributeLabels(names=names))) == MAX_COLUMNS


def grey_by_label(schema: LabelSchema, labels: np.ndarray, greys: np.ndarray, channels: int) -> Source:
    """Images of one grey value each, so that a cell of the sheet says which label it has."""
    images = np.broadcast_to(greys[:, None, None, None], (COUNT, SIDE, SIDE, channels)).astype(np.uint8)
    return Source(labels=labels, schema=schema, read=InMemory(images), description="greys")


def cells_of(sheet: Image.Image, count: int) -> list[list[int]]:
    """The grey value of each cell, by column."""
    pixels = np.asarray(sheet)
    top = sheet.height - ROWS * (SIDE + GAP)
    assert sheet.width == count * (SIDE + GAP) + GAP
    found = []
    for column in range(count):
        left = GAP + column * (SIDE + GAP)
        cells = [pixels[top + row * (SIDE + GAP) :, left:][:SIDE, :SIDE] for row in range(ROWS)]
        assert all((cell == cell[0, 0, 0]).all() for cell in cells)
        found.append([int(cell[0, 0, 0]) for cell in cells])
    return found


NUMBERS = np.arange(COUNT)
BITS = np.stack([NUMBERS % 2, NUMBERS // 2 % 2], axis=1).astype(np.uint8)
VALUES = np.linspace(0, 1, COUNT, dtype=np.float32)


@pytest.mark.parametrize("encoding", ["raw", "png"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("schema", "labels", "greys", "allowed"),
    [
        (
            ClassLabels(names=["ant", "bee", "cat"]),
            NUMBERS % 3,
            10 + NUMBERS % 3,
            {"ant": {10}, "bee": {11}, "cat": {12}},
        ),
        (
            AttributeLabels(names=["hat", "smile"]),
            BITS,
            10 + BITS @ np.array([1, 2], np.uint8),
            {"no hat": {10, 12}, "hat": {11, 13}, "no smile": {10, 11}, "smile": {12, 13}},
        ),
        (
            ContinuousLabels(names=["age"], ranges=[(0.0, 1.0)]),
            VALUES[:, None],
            NUMBERS,
            {f"age {q / 4:g}": set(range(30 * q, 30 * q + 30)) for q in range(4)},
        ),
        (
            ProductLabels(parts=[ClassLabels(names=["ant", "bee"]), AttributeLabels(names=["hat"])]),
            BITS.astype(np.float32),
            10 + BITS @ np.array([1, 2], np.uint8),
            {"ant": {10, 12}, "bee": {11, 13}, "no hat": {10, 11}, "hat": {12, 13}},
        ),
        (NoLabels(), np.zeros((COUNT, 0), np.uint8), NUMBERS, {" " * n: set(range(COUNT)) for n in range(ROWS)}),
    ],
    ids=["classes", "attributes", "continuous", "product", "none"],
)
def test_images_lie_under_the_name_of_their_label(
    tmp_path: Path,
    schema: LabelSchema,
    labels: np.ndarray,
    greys: np.ndarray,
    allowed: dict[str, set[int]],
    channels: int,
    encoding: Any,
) -> None:
    write_shards(grey_by_label(schema, labels, greys, channels), tmp_path / "out", Plan(shards=2, encoding=encoding))
    shards = ShardSet(Storage(tmp_path / "out"), cache="none")
    assert list(columns_of(schema)) == list(allowed)
    sheet = contact_sheet(shards)
    for found, expected in zip(cells_of(sheet, len(allowed)), allowed.values(), strict=True):
        assert set(found) <= expected
    again = contact_sheet(ShardSet(Storage(tmp_path / "out"), cache="none"))
    assert np.array_equal(np.asarray(again), np.asarray(sheet))


def test_a_rare_class_leaves_white_cells(tmp_path: Path) -> None:
    labels = (NUMBERS < 3).astype(np.int64)
    source = grey_by_label(ClassLabels(names=["often", "rare"]), labels, 10 + labels, 1)
    write_shards(source, tmp_path / "out", Plan(shards=2))
    often, rare = cells_of(contact_sheet(ShardSet(Storage(tmp_path / "out"))), 2)
    assert often == [10] * ROWS
    assert rare == [11] * 3 + [WHITE] * (ROWS - 3)
