"""Label schemas: what they let through, what they refuse and in which words, and what they count."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from cgan_dist.errors import UserError
from cgan_dist.labels import (
    EXACT_IN_FLOAT32,
    AttributeLabels,
    ClassLabels,
    ContinuousLabels,
    LabelSchema,
    NoLabels,
    ProductLabels,
    distinct,
)

ADAPTER: TypeAdapter[Any] = TypeAdapter(LabelSchema)
CLASSES = ClassLabels(names=["ant", "bee", "cat"])
ATTRIBUTES = AttributeLabels(names=["hat", "smile"])
CONTINUOUS = ContinuousLabels(names=["age", "angle"], ranges=[(0.0, 100.0), (-1.5, 1.5)])
NONE = NoLabels()
PRODUCT = ProductLabels(parts=[CLASSES, ATTRIBUTES, CONTINUOUS])
GOOD = {
    "classes": (CLASSES, np.array([0, 2, 1, 2])),
    "attributes": (ATTRIBUTES, np.array([[0, 1], [1, 1], [0, 0], [0, 1]], np.uint8)),
    "continuous": (CONTINUOUS, np.array([[0, -1.5], [100, 1.5], [55.5, 0], [9.99, 0.1]], np.float32)),
    "none": (NONE, np.zeros((4, 0), np.uint8)),
    "product": (PRODUCT, np.array([[2, 0, 1, 55.5, -1.5], [0, 1, 1, 100, 1.5]], np.float32)),
}


@pytest.mark.parametrize("kind", GOOD)
def test_labels_as_the_schema_says_pass(kind: str) -> None:
    schema, labels = GOOD[kind]
    schema.check(labels, "here")
    schema.check(labels[:0], "here")
    assert schema.kind == kind
    assert labels.shape[1:] == (() if schema.width is None else (schema.width,))
    assert len(schema.names) == {"classes": 3, "product": 7}.get(kind, schema.width)


@pytest.mark.parametrize(
    ("schema", "labels", "message"),
    [
        (CLASSES, np.array([0, 3]), "image 1 has label 3; expected 0..2."),
        (CLASSES, np.array([0, 1, -1]), "image 2 has label -1; expected 0..2."),
        (CLASSES, np.array([0], np.int32), "labels are (1,) int32, expected (1,) int64."),
        (CLASSES, np.array([0.0]), "labels are (1,) float64, expected (1,) int64."),
        (CLASSES, np.array([0], ">i8"), "labels are (1,) >i8, expected (1,) int64."),
        (CLASSES, np.zeros((2, 1), np.int64), "labels are (2, 1) int64, expected (2,) int64."),
        (CLASSES, np.array(0), "labels are () int64, expected (0,) int64."),
        (ATTRIBUTES, np.array([[0, 1], [0, 2]], np.uint8), "image 1, smile: 2; expected 0 or 1."),
        (ATTRIBUTES, np.array([[255, 9]], np.uint8), "image 0, hat: 255; expected 0 or 1."),
        (ATTRIBUTES, np.zeros((2, 2), bool), "labels are (2, 2) bool, expected (2, 2) uint8."),
        (ATTRIBUTES, np.zeros((2, 3), np.uint8), "labels are (2, 3) uint8, expected (2, 2) uint8."),
        (ATTRIBUTES, np.zeros(2, np.uint8), "labels are (2,) uint8, expected (2, 2) uint8."),
        (ATTRIBUTES, np.array(1, np.uint8), "labels are () uint8, expected (0, 2) uint8."),
        (CONTINUOUS, np.array([[0, 0], [101, 0]], np.float32), "image 1, age: 101.0; expected 0 to 100."),
        (CONTINUOUS, np.array([[0, -1.6]], np.float32), "image 0, angle: -1.600000023841858; expected -1.5 to 1.5."),
        (CONTINUOUS, np.array([[0, math.nan]], np.float32), "image 0, angle: nan; expected -1.5 to 1.5."),
        (CONTINUOUS, np.array([[math.inf, 0]], np.float32), "image 0, age: inf; expected 0 to 100."),
        (CONTINUOUS, np.zeros((1, 2)), "labels are (1, 2) float64, expected (1, 2) float32."),
        (CONTINUOUS, np.zeros((1, 1), np.float32), "labels are (1, 1) float32, expected (1, 2) float32."),
        (NONE, np.zeros((2, 1), np.uint8), "labels are (2, 1) uint8, expected (2, 0) uint8."),
        (NONE, np.zeros(2, np.uint8), "labels are (2,) uint8, expected (2, 0) uint8."),
        (PRODUCT, np.array([[3, 0, 0, 0, 0]], np.float32), "image 0 has label 3.0; expected 0..2."),
        (PRODUCT, np.array([[1.5, 0, 0, 0, 0]], np.float32), "image 0 has label 1.5; expected 0..2."),
        (PRODUCT, np.array([[math.nan, 0, 0, 0, 0]], np.float32), "image 0 has label nan; expected 0..2."),
        (PRODUCT, np.array([[math.inf, 0, 0, 0, 0]], np.float32), "image 0 has label inf; expected 0..2."),
        (PRODUCT, np.array([[0, 0, 0.5, 0, 0]], np.float32), "image 0, smile: 0.5; expected 0 or 1."),
        (PRODUCT, np.array([[0, math.nan, 0, 0, 0]], np.float32), "image 0, hat: nan; expected 0 or 1."),
        (PRODUCT, np.array([[0, 0, 0, -1, 0]], np.float32), "image 0, age: -1.0; expected 0 to 100."),
        (PRODUCT, np.zeros((1, 4), np.float32), "labels are (1, 4) float32, expected (1, 5) float32."),
        (PRODUCT, np.zeros((1, 5)), "labels are (1, 5) float64, expected (1, 5) float32."),
        (NONE, np.zeros((2, 0)), "labels are (2, 0) float64, expected (2, 0) uint8."),
    ],
)
def test_other_labels_are_refused_with_where_what_and_what_was_expected(
    schema: Any, labels: np.ndarray, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        schema.check(labels, "shard-7, key 3")
    assert str(caught.value) == f"shard-7, key 3: {message}"


def test_a_value_at_the_border_may_be_rounded_as_float32_does() -> None:
    schema = ContinuousLabels(names=["x"], ranges=[(0.1, 0.7)])
    schema.check(np.array([[0.1], [0.7]], np.float32), "here")
    with pytest.raises(UserError, match="image 0, x: "):
        schema.check(np.nextafter(np.array([[0.7]], np.float32), np.float32(1)), "here")


def test_histograms_of_classes_and_attributes_count_by_name() -> None:
    assert CLASSES.histogram(np.array([2, 2, 0])) == {"ant": 1, "bee": 0, "cat": 2}
    many = np.ones((300, 2), np.uint8)
    many[0, 1] = 0
    assert ATTRIBUTES.histogram(many) == {"hat": 300, "smile": 299}
    assert NONE.histogram(np.zeros((3, 0), np.uint8)) == {}


def test_the_histogram_of_values_has_ten_parts_a_range() -> None:
    labels = np.array([[5, -1.5], [10, 1.5], [99, 1.4], [100, 0.0]], np.float32)
    found = CONTINUOUS.histogram(labels)
    assert [key for key in found if key.startswith("age")][:2] == ["age 0..10", "age 10..20"]
    assert [count for key, count in found.items() if key.startswith("age")] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert [count for key, count in found.items() if key.startswith("angle")] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert list(found)[-1] == "angle 1.2..1.5"


def test_the_histogram_of_a_product_joins_those_of_its_parts() -> None:
    _, labels = GOOD["product"]
    found = PRODUCT.histogram(labels)
    assert {key: found[key] for key in ("ant", "bee", "cat", "hat", "smile")} == {
        "ant": 1,
        "bee": 0,
        "cat": 1,
        "hat": 1,
        "smile": 2,
    }
    assert (found["age 50..60"], found["angle 1.2..1.5"], len(found)) == (1, 1, 25)


def test_a_product_is_split_into_the_forms_of_its_parts_and_joined_again() -> None:
    _, labels = GOOD["product"]
    assert PRODUCT.columns == [slice(0, 1), slice(1, 3), slice(3, 5)]
    parts = PRODUCT.split(labels)
    for part, own in zip(PRODUCT.parts, parts, strict=True):
        part.check(own, part.kind)
    assert [own.tolist() for own in parts] == [[2, 0], [[0, 1], [1, 1]], [[55.5, -1.5], [100, 1.5]]]
    joined = PRODUCT.join(parts)
    assert (joined.tolist(), joined.dtype) == (labels.tolist(), np.float32)
    empty = PRODUCT.join(PRODUCT.split(labels[:0]))
    assert empty.shape == (0, 5)


def test_a_product_has_no_more_classes_than_float32_can_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert int(np.float32(EXACT_IN_FLOAT32 - 1)) == EXACT_IN_FLOAT32 - 1
    monkeypatch.setattr("cgan_dist.labels.EXACT_IN_FLOAT32", 2)
    with pytest.raises(ValidationError, match="expected at most 2 classes beside other labels"):
        ProductLabels(parts=[CLASSES, ATTRIBUTES])


@pytest.mark.parametrize("limits", [(0.1, 0.3), (0.7, 0.9), (1990.0, 1991.0), (1.7e9, 1.7e9 + 86400), (-1e-9, 1e-9)])
def test_no_image_is_lost_from_the_histogram_of_values(limits: tuple[float, float]) -> None:
    schema = ContinuousLabels(names=["x"], ranges=[limits])
    labels = np.linspace(*limits, 50).astype(np.float32)[:, None]
    schema.check(labels, "here")
    found = schema.histogram(labels)
    assert len(found) == 10
    assert sum(found.values()) == 50


def test_numbers_are_written_with_the_digits_that_tell_them_apart() -> None:
    assert distinct([0.0, 0.5, 1.0], 3) == ["0", "0.5", "1"]
    assert distinct([1990.0, 1992.5, 1995.0], 3) == ["1990", "1992", "1995"]
    assert distinct([1.0, 1.0], 3) == ["1", "1"]


@pytest.mark.parametrize("kind", GOOD)
def test_a_schema_survives_json(kind: str) -> None:
    schema, _ = GOOD[kind]
    again = ADAPTER.validate_json(ADAPTER.dump_json(schema))
    assert again == schema
    assert type(again) is type(schema)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"kind": "colours", "names": ["a"]}', "does not match any of the expected tags"),
        ('{"names": ["a"]}', "Unable to extract tag"),
        ('{"kind": "classes"}', "Field required"),
        ('{"kind": "classes", "names": []}', "at least 1 item"),
        ('{"kind": "classes", "names": [1]}', "valid string"),
        ('{"kind": "classes", "names": ["a", "b", "a"]}', "expected a different name for each"),
        ('{"kind": "classes", "names": ["a"], "colour": 1}', "Extra inputs are not permitted"),
        ('{"kind": "attributes", "names": ["a", "a"]}', "expected a different name for each"),
        ('{"kind": "none", "names": ["a"]}', "Extra inputs are not permitted"),
        ('{"kind": "continuous", "names": ["a"]}', "Field required"),
        ('{"kind": "continuous", "names": ["a"], "ranges": []}', "expected one range"),
        ('{"kind": "continuous", "names": ["a"], "ranges": [[1, 1]]}', "with low < high for each name"),
        ('{"kind": "continuous", "names": ["a"], "ranges": [[NaN, 1]]}', "with low < high for each name"),
        ('{"kind": "continuous", "names": ["a"], "ranges": [[0, Infinity]]}', "with low < high for each name"),
        ('{"kind": "continuous", "names": ["a", "a"], "ranges": [[0, 1], [0, 1]]}', "different name"),
        ('{"kind": "continuous", "names": ["a"], "ranges": [[0, 1, 2]]}', "at most 2 items"),
        ('{"kind": "continuous", "names": ["a"], "ranges": [["0", "1"]]}', "valid number"),
        ('{"kind": "continuous", "names": ["a"], "ranges": 3}', "valid array"),
        ('{"kind": "product", "parts": [{"kind": "classes", "names": ["a", "b"]}]}', "at least 2 items"),
        (
            '{"kind": "product", "parts": [{"kind": "classes", "names": ["a"]}, '
            '{"kind": "attributes", "names": ["a"]}]}',
            "expected a different name for each",
        ),
        (
            '{"kind": "product", "parts": [{"kind": "classes", "names": ["a"]}, {"kind": "none"}]}',
            "does not match any of the expected tags",
        ),
    ],
)
def test_json_that_is_no_schema_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_json(text)


@pytest.mark.parametrize("kind", GOOD)
def test_a_schema_survives_a_checkpoint(kind: str) -> None:
    """Which holds plain values, those of JSON."""
    schema, _ = GOOD[kind]
    plain = schema.model_dump()
    assert json.loads(json.dumps(plain)) == plain
    assert ADAPTER.validate_python(plain) == schema


def test_a_schema_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        CLASSES.names = ["other"]  # type: ignore[misc]
