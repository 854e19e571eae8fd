from __future__ import annotations

import pytest
import torch

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.changes import changed
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, NoLabels, ProductLabels

CLASSES = ClassLabels(names=["ant", "bee", "7"])
BITS = AttributeLabels(names=["hat", "smile"])
POSE = ContinuousLabels(names=["pose", "tilt"], ranges=[(0.0, 90.0), (-1.0, 1.0)])
DTYPES = {"classes": torch.int64, "attributes": torch.uint8, "none": torch.uint8}


def change(schema: LabelSchema, labels: torch.Tensor, text: str) -> list[list[float]]:
    found = changed(LABEL_SPACES.build("auto", "", {}, schema=schema), labels, text)
    assert all(own.dtype == labels.dtype and own.shape == labels.shape for own in found)
    return [own.tolist() for own in found]


def test_attributes_that_are_not_named_stay() -> None:
    labels = torch.tensor([[0, 0], [1, 1]], dtype=torch.uint8)
    assert change(BITS, labels, "smile") == [[[0, 1], [1, 1]]]
    assert change(BITS, labels, "smile=0; hat=1,smile=no") == [[[0, 0], [1, 0]], [[1, 0], [1, 0]]]
    assert labels.tolist() == [[0, 0], [1, 1]]


def test_values_that_are_not_named_stay() -> None:
    assert change(POSE, torch.tensor([[10.0, 0.5]]), "pose=30; tilt=-1") == [[[30, 0.5]], [[10, -1]]]


def test_of_a_product_a_class_or_an_attribute_is_changed_alone() -> None:
    schema = ProductLabels(parts=[CLASSES, BITS, POSE])
    labels = torch.tensor([[0.0, 1, 0, 45, 0]])
    assert change(schema, labels, "bee; hat=0,tilt=1; 2,smile") == [
        [[1, 1, 0, 45, 0]],
        [[0, 0, 0, 45, 1]],
        [[2, 1, 1, 45, 0]],
    ]
    assert change(schema, labels, '"7"') == [[[2, 1, 0, 45, 0]]]


def test_of_classes_the_class_is_changed() -> None:
    assert change(CLASSES, torch.tensor([0, 2]), "bee; 0") == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("schema", "text", "fragment"),
    [
        (BITS, "smlie=1", "Did you mean 'smile'?"),
        (BITS, "smile=2", "expected smile=1 or smile=0"),
        (BITS, "", "a change that names nothing; expected e.g. hat=1"),
        (BITS, "hat=1; ; smile", "a change that names nothing"),
        (BITS, "hat=1,hat=0", "contradict each other"),
        (POSE, "pose=100", "expected 0 to 90"),
        (POSE, "pose", "expected a number"),
        (CLASSES, "wasp", "no such class"),
        (CLASSES, "ant,bee", "contradict each other"),
        (ProductLabels(parts=[CLASSES, BITS]), "wasp", "no such class"),
        (ProductLabels(parts=[BITS, POSE]), "wasp", "unknown name"),
        (NoLabels(), "hat=1", "this generator has no labels"),
    ],
)
def test_what_cannot_be_changed_is_an_error_for_the_user(schema: LabelSchema, text: str, fragment: str) -> None:
    width = schema.width
    labels = torch.zeros((1,) if width is None else (1, width), dtype=DTYPES.get(schema.kind, torch.float32))
    with pytest.raises(UserError) as caught:
        change(schema, labels, text)
    assert fragment in str(caught.value)
