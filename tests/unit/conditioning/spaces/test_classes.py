from __future__ import annotations

import cProfile
import pstats

import numpy as np
import pytest
import torch

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.conditioning.spaces.words import typed_name
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, ProductLabels

NAMES = ["t-shirt", "sneaker", "ankle boot"]
SPACE = Classes(ClassLabels(names=NAMES))


def test_numbers_and_names_are_read() -> None:
    labels = SPACE.parse("2, 0,sneaker,ankle boot")
    assert (labels.tolist(), labels.dtype) == ([2, 0, 1, 2], torch.int64)


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("3", ["labels '3': label 3 is outside 0..2 (the data has 3 classes)"]),
        ("1,-1", ["labels '1,-1': label -1 is outside 0..2"]),
        ("9" * 18, [f"label {'9' * 18} is outside 0..2"]),
        ("9" * 5000, ["no such class"]),
        ("--1", ["label '--1': no such class"]),
        ("²", ["label '²': no such class"]),
        ("sneeker", ["label 'sneeker': no such class", "Did you mean 'sneaker'?", "t-shirt, sneaker, ankle boot."]),
        ("", ["labels '': expected class numbers or names, e.g. 0,1,2 or t-shirt"]),
        (" , ", ["expected class numbers or names"]),
        ("1.5", ["label '1.5': no such class"]),
        ('"sneeker"', ["""label '"sneeker"': no such class. Did you mean 'sneaker'?"""]),
        ('"sneaker', ["""label '"sneaker': no such class. Did you mean 'sneaker'?"""]),
        ('"1"', ["""label '"1"': no such class."""]),
    ],
)
def test_what_is_no_label_is_refused(text: str, fragments: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        SPACE.parse(text)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_a_number_is_the_classs_number_and_a_name_that_is_one_is_quoted(caplog: pytest.LogCaptureFixture) -> None:
    space = Classes(ClassLabels(names=["7", "1", "0"]))
    assert space.parse('"0", "7","1"').tolist() == [2, 0, 1]
    assert caplog.messages == []
    assert space.parse("0,1,2").tolist() == [0, 1, 2]
    assert space.parse("0").tolist() == [0]
    assert caplog.messages == [
        "labels '0,1,2': 0 is class number 0, counted from 0, which is named '7'. The class named 0 is typed in "
        """quotes: --labels '"0"'."""
    ]


def test_names_that_are_their_own_numbers_need_no_word(caplog: pytest.LogCaptureFixture) -> None:
    assert Classes(ClassLabels(names=["0", "1", "02"])).parse('1,2,02,"02"').tolist() == [1, 2, 2, 2]
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["7", "-1"])
def test_a_number_out_of_range_that_is_a_name_gets_advice(name: str) -> None:
    with pytest.raises(UserError) as caught:
        Classes(ClassLabels(names=["a", name])).parse(f"0,{name}")
    assert str(caught.value) == (
        f"labels '0,{name}': label {name} is outside 0..1 (the data has 2 classes). The class named {name} is typed in "
        f"""quotes: --labels '"{name}"'."""
    )


def test_a_name_in_quotes_may_hold_anything() -> None:
    names = ["a,b", ' c "d" ', '"e"', "f;g", '5" nail', "h"]
    space = Classes(ClassLabels(names=names))
    assert space.parse(",".join(map(typed_name, names))).tolist() == [0, 1, 2, 3, 4, 5]
    assert space.parse('5" nail,f;g').tolist() == [4, 3]


def test_a_label_becomes_one_entry_of_a_one_hot_group() -> None:
    assert SPACE.layout == Layout(classes=(3,))
    condition = SPACE.encode(torch.tensor([2, 0]))
    assert condition.vector(3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_stored_labels_are_its_own() -> None:
    stored = torch.tensor([2, 0])
    assert SPACE.select(stored) is stored
    SPACE.schema.check(stored.numpy(), "here")


def test_a_grid_shows_the_first_classes() -> None:
    assert SPACE.grid(2).tolist() == [0, 1]
    assert SPACE.grid(9).tolist() == [0, 1, 2]


def test_labels_have_the_names_that_are_read() -> None:
    labels = SPACE.grid(3)
    assert SPACE.describe(labels) == NAMES
    assert SPACE.parse(",".join(SPACE.describe(labels))).tolist() == labels.tolist()


def test_one_class_is_not_conditional() -> None:
    with pytest.raises(UserError, match="'classes' needs at least 2 classes, the data has 1"):
        Classes(ClassLabels(names=["only"]))


@pytest.mark.parametrize("schema", [AttributeLabels(names=["Smiling"]), NoLabels()])
def test_data_with_other_labels_is_refused(schema: AttributeLabels | NoLabels) -> None:
    with pytest.raises(UserError, match=f"labels: 'classes' needs class labels, the data has '{schema.kind}'"):
        Classes(schema)


def test_the_classes_of_a_product_can_be_taken_alone() -> None:
    bits, classes = AttributeLabels(names=["hat"]), ClassLabels(names=NAMES)
    space = Classes(ProductLabels(parts=[bits, classes]))
    assert space.schema == classes
    own = space.select(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
    assert (own.tolist(), own.dtype) == ([2, 1], torch.int64)


def test_a_product_without_classes_says_what_it_has() -> None:
    schema = ProductLabels(parts=[AttributeLabels(names=["hat"]), ContinuousLabels(names=["age"], ranges=[(0.0, 1.0)])])
    with pytest.raises(UserError, match="the data has 'product' of attributes and continuous"):
        Classes(schema)


def test_several_groups_of_classes_are_told_apart_by_number() -> None:
    shapes, colours = ClassLabels(names=["ball", "cube"]), ClassLabels(names=["red", "green", "blue"])
    schema = ProductLabels(parts=[shapes, colours])
    assert Classes(schema, group=1).select(torch.tensor([[0.0, 2.0]])).tolist() == [2]
    for group in (None, 2, -1):
        with pytest.raises(
            UserError, match=f"args.group: found {'null' if group is None else group}, but the data has 2 .* 0 to 1"
        ):
            Classes(schema, group=group)


def test_a_hundred_thousand_classes_cost_nothing() -> None:
    names = [f"species {number}" for number in range(100_000)]
    space = Classes(ClassLabels(names=names))
    with cProfile.Profile() as profile:
        labels = space.parse(",".join(names[-2000:]))
    assert pstats.Stats(profile).total_calls < 20 * len(labels), "a search of all names for each"
    assert labels.tolist() == list(range(98_000, 100_000))
    assert space.describe(labels) == names[-2000:]
    assert len(space.grid(16)) == 16
    condition = space.encode(torch.from_numpy(np.arange(100_000)))
    assert condition.ones.numel() + condition.values.numel() == 100_000
