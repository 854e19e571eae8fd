from __future__ import annotations

import pytest
import torch

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.attributes import Attributes
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ProductLabels

SCHEMA = AttributeLabels(names=["Smiling", "Male", "Eyeglasses", "Bald"])
SPACE = Attributes(SCHEMA)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Smiling=1,Eyeglasses=0", [[1, 0, 0, 0]]),
        ("Smiling=1; Smiling=1,Male=1", [[1, 0, 0, 0], [1, 1, 0, 0]]),
        ("Smiling, Bald", [[1, 0, 0, 1]]),
        (" Male = Yes ,Bald=no, Smiling=TRUE,Eyeglasses=false;", [[1, 1, 0, 0]]),
        ("none; Male; none", [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]),
        ("", [[0, 0, 0, 0]]),
        ("Male;;", [[0, 1, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_labels_are_read(text: str, labels: list[list[int]]) -> None:
    found = SPACE.parse(text)
    assert (found.tolist(), found.dtype) == (labels, torch.uint8)
    SPACE.schema.check(found.numpy(), "here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Smilling=1", "label 'Smilling=1': no such attribute. Did you mean 'Smiling'? There are: Smiling, Male"),
        ("Male=2", "label 'Male=2': expected Male=1 or Male=0"),
        ("Male=", "label 'Male=': expected Male=1 or Male=0"),
        ("Male=1,Male=0", "label 'Male=0': Male is there twice in one label; ';' separates labels"),
        ("none,Male", "label 'none': no such attribute"),
        ("1", "label '1': no such attribute"),
    ],
)
def test_what_is_no_label_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        SPACE.parse(text)
    assert message in str(caught.value)


def test_an_attribute_may_be_called_none_and_hold_an_equals_sign() -> None:
    space = Attributes(AttributeLabels(names=["none", "a=b"]))
    assert space.parse("none; a=b; a=b=0,none=1").tolist() == [[1, 0], [0, 1], [1, 0]]


def test_a_condition_is_the_bits() -> None:
    assert SPACE.layout == Layout(bits=4)
    condition = SPACE.encode(torch.tensor([[1, 0, 0, 1]], dtype=torch.uint8))
    assert condition.ones.shape == (1, 0)
    assert condition.vector(4).tolist() == [[1.0, 0.0, 0.0, 1.0]]
    assert condition.values.dtype == torch.float32


@pytest.mark.parametrize(
    ("names", "expected"),
    [(None, [1, 0, 1, 0]), (["Bald", "Smiling"], [0, 1]), (["Male", "Eyeglasses"], [0, 1]), (["Bald"], [0])],
)
def test_a_subset_is_taken_in_the_users_order(names: list[str] | None, expected: list[int]) -> None:
    space = Attributes(SCHEMA, names)
    own = space.select(torch.tensor([[1, 0, 1, 0]] * 2, dtype=torch.uint8))
    assert (own.tolist(), own.dtype) == ([expected] * 2, torch.uint8)
    assert space.schema.names == (names or SCHEMA.names)
    assert space.layout.width == len(expected)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Smilling"], "args.names: the data has no 'Smilling'. Did you mean 'Smiling'? It has Smiling, Male, Eye"),
        ([], "args.names: an empty list; name one or more, or leave it out to take all"),
        (["Male", "Male"], "args.names: 'Male' is there twice"),
        ("Male", "args.names: found 'Male'"),
    ],
)
def test_names_that_cannot_be_taken_are_refused(names: object, message: str) -> None:
    with pytest.raises(UserError) as caught:
        LABEL_SPACES.build("attributes", "conditioning.labels", {"names": names}, schema=SCHEMA)
    assert str(caught.value).startswith("conditioning.labels.")
    assert message in str(caught.value)


def test_a_grid_shows_none_then_each_alone_then_pairs() -> None:
    names = SPACE.describe(SPACE.grid(7))
    assert names == ["none", "Smiling", "Male", "Eyeglasses", "Bald", "Smiling+Male", "Smiling+Eyeglasses"]
    assert SPACE.grid(1).tolist() == [[0, 0, 0, 0]]
    assert len(SPACE.grid(1000)) == 16
    assert len(SPACE.grid(1000).unique(dim=0)) == 16


def test_the_grid_of_forty_attributes_is_not_all_of_them() -> None:
    space = Attributes(AttributeLabels(names=[f"a{number}" for number in range(40)]))
    assert space.grid(64).sum(1).tolist() == [0] + [1] * 40 + [2] * 23


def test_what_is_described_can_be_read() -> None:
    labels = SPACE.grid(16)
    text = ";".join(SPACE.describe(labels)).replace("+", ",")
    assert torch.equal(SPACE.parse(text), labels)


def test_the_attributes_of_a_product_can_be_taken_alone() -> None:
    more = AttributeLabels(names=["hat"])
    schema = ProductLabels(parts=[SCHEMA, ClassLabels(names=["cat", "dog"]), more])
    space = Attributes(schema, ["hat", "Male"])
    own = space.select(torch.tensor([[0.0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 0, 0]]))
    assert (own.tolist(), own.dtype) == ([[1, 0], [0, 1]], torch.uint8)
    assert Attributes(schema).schema.names == [*SCHEMA.names, "hat"]


def test_data_with_other_labels_is_refused() -> None:
    with pytest.raises(UserError, match="labels: 'attributes' needs attribute labels, the data has 'classes'"):
        Attributes(ClassLabels(names=["cat", "dog"]))
