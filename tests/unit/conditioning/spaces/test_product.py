from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.product import Product
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, ProductLabels

SHOES = ClassLabels(names=["boot", "sneaker", "sandal"])
BITS = AttributeLabels(names=["new", "wet"])
POSE = ContinuousLabels(names=["azimuth"], ranges=[(0.0, 360.0)])
COLOURS = ClassLabels(names=["red", "green"])
PARTS = {"shoes": SHOES, "bits": BITS, "pose": POSE, "colours": COLOURS}
ALL = ProductLabels(parts=[POSE, SHOES, BITS, COLOURS])
SPACE = Product(ALL)
WORDS = {"shoes": "sandal", "bits": "wet=1", "pose": "azimuth=90", "colours": "green"}
VECTORS = {"shoes": [0, 0, 1], "colours": [0, 1], "bits": [0, 1], "pose": [-0.5]}


def own(*labels: list[float]) -> torch.Tensor:
    return torch.tensor(labels)


@pytest.mark.parametrize("kinds", list(itertools.permutations(PARTS, 2)), ids=" x ".join)
def test_every_pair_is_read_encoded_named_and_shown(kinds: tuple[str, str]) -> None:
    schema = ProductLabels(parts=[PARTS[kind] for kind in kinds])
    space = Product(schema)
    assert space.schema == schema
    labels = space.parse(",".join(WORDS[kind] for kind in reversed(kinds)))
    schema.check(labels.numpy(), "here")
    assert torch.equal(space.select(labels), labels)
    order = [*(kind for kind in kinds if kind in ("shoes", "colours")), *(k for k in ("bits", "pose") if k in kinds)]
    expected = [value for kind in order for value in VECTORS[kind]]
    assert space.encode(labels).vector(space.layout.width).tolist() == [expected]
    shown = {"shoes": "sandal", "colours": "green", "bits": "wet", "pose": "azimuth 90"}
    assert space.describe(labels) == [" ".join(shown[kind] for kind in kinds)]
    grid = space.grid(16)
    schema.check(grid.numpy(), "here")
    assert len(grid.unique(dim=0)) == len(grid) <= 16
    assert all(len(column.unique()) > 1 for column in grid.T)


def test_a_condition_has_classes_then_bits_then_reals() -> None:
    assert SPACE.layout == Layout(classes=(3, 2), bits=2, reals=1)
    condition = SPACE.encode(own([90.0, 2, 0, 1, 1], [360.0, 0, 1, 0, 0]))
    assert condition.ones.tolist() == [[2, 4], [0, 3]]
    assert condition.values.tolist() == [[0, 1, -0.5], [1, 0, 1]]
    assert condition.vector(8).tolist() == [[0, 0, 1, 0, 1, 0, 1, -0.5], [1, 0, 0, 1, 0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("sneaker,red", [[180, 1, 0, 0, 0]]),
        ("green, azimuth=30, boot, wet", [[30, 0, 0, 1, 1]]),
        ("sneaker,red,none; sandal,green,new=yes,wet=0;", [[180, 1, 0, 0, 0], [180, 2, 1, 0, 1]]),
    ],
)
def test_labels_are_read(text: str, labels: list[list[float]]) -> None:
    assert SPACE.parse(text).tolist() == labels


def test_a_number_is_a_class_where_there_is_one_group_of_them() -> None:
    space = Product(ProductLabels(parts=[BITS, SHOES]))
    assert space.parse("2; wet,0").tolist() == [[0, 0, 2], [0, 1, 0]]
    with pytest.raises(UserError, match="label 3 is outside 0..2"):
        space.parse("3,wet")
    with pytest.raises(UserError, match="label '2': a number, but of which of the 2 groups of classes[?] Type names"):
        SPACE.parse("2,red")


def test_a_name_that_is_a_number_is_quoted(caplog: pytest.LogCaptureFixture) -> None:
    digits, bits = ClassLabels(names=["3", "1", "4;"]), AttributeLabels(names=["7", "a,b"])
    space = Product(ProductLabels(parts=[digits, bits]))
    assert space.parse('"3","7"; 0,7=1; "4;","a,b"=1').tolist() == [[0, 1, 0], [0, 1, 0], [2, 0, 1]]
    assert caplog.messages == []
    assert space.parse("2; 1").tolist() == [[2, 0, 0], [1, 0, 0]]
    assert space.parse("0").tolist() == [[0, 0, 0]]
    with pytest.raises(UserError, match="label 3 is outside 0..2 .* The class named 3 is typed in quotes"):
        space.parse("3")
    groups = Product(ProductLabels(parts=[digits, ClassLabels(names=["8", "9"])]))
    assert groups.parse('"1","9"').tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sneaker", "label 'sneaker': found 0 classes of red, green; expected one in each label"),
        ("red,green,boot", "found 2 classes of red, green; expected one in each label. ';' separates labels"),
        ("", "label '': found 0 classes of boot, sneaker, sandal"),
        ("sneeker,red", "label 'sneeker': unknown name. Did you mean 'sneaker'? There are: azimuth, boot, sneaker"),
        ("boot,red,weet=1", "label 'weet=1': unknown name. Did you mean 'wet'?"),
        ("boot,red,wet=7", "label 'wet=7': expected wet=1 or wet=0"),
        ("boot,red,azimuth=361", "label 'azimuth=361': outside of the data's range; expected 0 to 360"),
    ],
)
def test_what_is_no_label_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        SPACE.parse(text)
    assert message in str(caught.value)


def test_a_name_leaves_out_that_there_is_no_attribute() -> None:
    space = Product(ProductLabels(parts=[SHOES, BITS]))
    assert space.describe(own([1, 0, 0], [1, 1, 1])) == ["sneaker", "sneaker new+wet"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 16, 64])
def test_a_grid_is_a_product_that_uses_its_columns(count: int) -> None:
    space = Product(ProductLabels(parts=[SHOES, BITS, POSE]))
    grid = space.grid(count)
    sizes = [len(part.unique(dim=0)) for part in grid.split([1, 2, 1], dim=1)]
    assert len(grid) == math.prod(sizes) <= count
    assert len(grid) > count / 2 or count == 3
    assert len(grid.unique(dim=0)) == len(grid)
    if count >= 8:
        assert min(sizes) >= 2


def test_parts_may_be_chosen_with_arguments() -> None:
    parts = [
        "continuous",
        {"name": "classes", "args": {"group": 1}},
        {"name": "attributes", "args": {"names": ["wet"]}},
    ]
    space = LABEL_SPACES.build("product", "conditioning.labels", {"parts": parts}, schema=ALL)
    assert space.schema == ProductLabels(parts=[POSE, COLOURS, AttributeLabels(names=["wet"])])
    stored = own([90.0, 2, 1, 0, 1])
    ALL.check(stored.numpy(), "here")
    assert space.select(stored).tolist() == [[90, 1, 0]]
    assert space.layout == Layout(classes=(2,), bits=1, reals=1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["classes"], "conditioning.labels.args.parts.0.args.group: found null, but the data has 2 group(s)"),
        (["attributes"], "conditioning.labels.args.parts: found 1, expected two or more"),
        ([], "conditioning.labels.args.parts: found 0, expected two or more"),
        (["atributes", "classes"], "args.parts.0: unknown label space 'atributes'. Did you mean 'attributes'?"),
        (["attributes", "attributes"], "args.parts: 'new' is in 2 of them; take each label once"),
        (["attributes", "none"], "args.parts.1: 'none' is no part; expected classes, attributes or continuous"),
        (["attributes", "product"], "args.parts.1: a product in a product"),
        (["attributes", "auto"], "args.parts.1: 'auto' is no part"),
        (
            ["attributes", {"args": {}}],
            "args.parts.1: found {'args': {}}; expected the name of a label space, or {name",
        ),
        (["attributes", {"name": "continuous", "arg": 3}], "args.parts.1: found {'name': 'continuous', 'arg': 3}; exp"),
        (
            ["continuous", {"name": "attributes", "args": {"names": ["we"]}}],
            "conditioning.labels.args.parts.1.args.names: the data has no 'we'. Did you mean 'wet'?",
        ),
        (
            ["continuous", {"name": "attributes", "args": {"name": ["wet"]}}],
            "conditioning.labels.args.parts.1.args.name: unknown argument",
        ),
        ([3, "attributes"], "args.parts: found [3, 'attributes']"),
        (["attributes", {"name": 3}], "args.parts.1: found {'name': 3}; expected the name of a label space, or {name"),
    ],
)
def test_parts_that_make_no_product_are_refused(parts: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        LABEL_SPACES.build("product", "conditioning.labels", {"parts": parts}, schema=ALL)
    assert message in str(caught.value)


@pytest.mark.parametrize("schema", [BITS, SHOES, POSE, NoLabels()])
def test_data_with_labels_of_one_kind_is_refused(schema: Any) -> None:
    with pytest.raises(UserError, match=f"'product' needs labels of several kinds, the data has '{schema.kind}' alone"):
        Product(schema)


def test_auto_is_what_the_data_has() -> None:
    for schema in (SHOES, BITS, POSE, NoLabels(), ALL):
        space = LABEL_SPACES.build("auto", "conditioning.labels", {}, schema=schema)
        assert space.schema == schema
    assert LABEL_SPACES.build("none", "conditioning.labels", {}, schema=ALL).layout.width == 0


def test_a_hundred_thousand_classes_beside_attributes() -> None:
    schema = ProductLabels(parts=[ClassLabels(names=[f"s{number}" for number in range(100_000)]), BITS])
    space = Product(schema)
    labels = space.parse(";".join(f"s{number},wet" for number in range(99_000, 100_000)))
    assert labels[:, 0].tolist() == list(range(99_000, 100_000))
    assert np.array_equal(space.encode(labels).ones[:, 0], np.arange(99_000, 100_000))
    assert space.describe(labels[-1:]) == ["s99999 wet"]
