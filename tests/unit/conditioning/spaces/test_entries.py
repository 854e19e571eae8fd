from __future__ import annotations

from types import SimpleNamespace

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.spaces.auto import auto
from cgan_dist.conditioning.spaces.entries import entries_of
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, ProductLabels

CLASSES, MORE = ClassLabels(names=["cat", "dog"]), ClassLabels(names=["indoors", "outdoors"])
ATTRIBUTES = AttributeLabels(names=["hat"])
REALS = ContinuousLabels(names=["age"], ranges=[(0.0, 90.0)])


def test_entries_stand_in_the_order_of_the_condition() -> None:
    space = auto(ProductLabels(parts=[REALS, CLASSES, ATTRIBUTES, MORE]))
    assert entries_of(space) == [
        *(("classes", name) for name in ("cat", "dog", "indoors", "outdoors")),
        ("attributes", "hat"),
        ("continuous", "age"),
    ]
    label = space.parse("dog,outdoors,hat=1,age=90")
    assert space.encode(label).vector(space.layout.width).tolist() == [[0, 1, 0, 1, 1, 1]]


def test_nothing_has_no_entries() -> None:
    assert entries_of(auto(NoLabels())) == []


def test_a_space_with_other_entries_than_names_has_none_to_tell() -> None:
    assert entries_of(SimpleNamespace(schema=REALS, layout=Layout(reals=4))) is None  # type: ignore[arg-type]
