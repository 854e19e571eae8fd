from __future__ import annotations

from typing import Any

import pytest

from cgan_dist.labels import ClassLabels
from cgan_dist.recipes.facts import Facts, printable, shown
from tests.unit.recipes.sets import SCHEMAS, facts_of


@pytest.mark.parametrize(
    ("kind", "space"),
    [
        ("classes", "classes"),
        ("one class", "none"),
        ("attributes", "attributes"),
        ("continuous", "continuous"),
        ("product", "product"),
        ("none", "none"),
        ("one class and another group", {"name": "classes", "args": {"group": 1}}),
        (
            "one class and two kinds",
            {
                "name": "product",
                "args": {
                    "parts": [
                        {"name": "attributes", "args": {"names": ["red", "{'"]}},
                        {"name": "continuous", "args": {"names": ["angle"]}},
                    ]
                },
            },
        ),
    ],
)
def test_the_label_space_has_all_that_says_something(kind: str, space: Any) -> None:
    assert facts_of(labels=SCHEMAS[kind]).label_space() == space


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("classes", "3 classes of 666 ('c# {\\t') to 667 ('ant') images"),
        ("one class", "a single class, 'ant', which says nothing"),
        ("attributes", "3 attributes: 'red', 'on', '[x, y]'"),
        ("continuous", "1 real value: 'angle' 0 to 360"),
        ("product", "2 classes of 1,000 images each: 'ant', 'bee'; 1 attribute: 'red'; 1 real value: 'angle' 0 to 360"),
        ("none", "no labels"),
    ],
)
def test_labels_are_described_with_their_balance(kind: str, text: str) -> None:
    assert facts_of(labels=SCHEMAS[kind]).describe_labels() == text


def with_counts(labels: str, counts: dict[str, int]) -> Facts:
    facts = facts_of(labels=SCHEMAS[labels])
    return Facts(facts.path, facts.manifest.model_copy(update={"histogram": counts}))


def test_an_attribute_that_all_or_hardly_any_images_have_is_named() -> None:
    facts = with_counts("attributes", {"red": 1_990, "on": 12, "[x, y]": 1_000})
    assert facts.describe_labels().endswith("; all or hardly any images have 'red', 'on'")


def test_the_imbalance_leaves_out_classes_without_images() -> None:
    assert with_counts("classes", {"ant": 1_800, "bee: 1": 200, "c# {\t": 0}).imbalance == 9
    assert facts_of(labels=SCHEMAS["attributes"]).imbalance == 1


def test_a_thousand_names_are_not_listed() -> None:
    many = ClassLabels(names=[f"n{number}" for number in range(1_000)])
    assert facts_of(labels=many).describe_labels() == (
        "1,000 classes of 2 images each: 'n0', 'n1', 'n2', 'n3', 'n4', 'n5' and 994 more"
    )


@pytest.mark.parametrize("mark", ["\n", "\r", "\x85", "\u2028", "\u2029", "\x1b", "\udce9", "\ufeff", "\x00", "\t"])
def test_nothing_that_may_end_a_comment_stays(mark: str) -> None:
    text = printable(f"a{mark}b 猫 é #: {{")
    assert mark not in text
    assert text.startswith("a\\")
    assert text.endswith("b 猫 é #: {")


def test_a_long_name_is_cut() -> None:
    assert shown("n" * 60) == "'" + "n" * 37 + "...'"
