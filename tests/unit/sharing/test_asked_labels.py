from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels
from cgan_dist.sharing.asked_labels import form_of, read_labels
from tests.unit.generator_samples import SCHEMAS


def space_of(kind: str) -> LabelSpace:
    return LABEL_SPACES.build("auto", "", {}, schema=SCHEMAS[kind])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kind", "asked", "expected"),
    [
        ("classes", "bee,0", torch.tensor([1, 0])),
        ("classes", ["bee", "0"], torch.tensor([1, 0])),
        ("classes", [1, 0], torch.tensor([1, 0])),
        ("classes", np.array([2.0]), torch.tensor([2])),
        ("classes", torch.tensor([2], dtype=torch.uint8), torch.tensor([2])),
        ("attributes", "smile; hat=1", torch.tensor([[0, 1], [1, 0]], dtype=torch.uint8)),
        ("attributes", [[True, False]], torch.tensor([[1, 0]], dtype=torch.uint8)),
        ("continuous", np.array([[0.1, 2.5]]), torch.tensor([[0.1, 2.5]])),
        ("continuous", ["pose=1", "pose=2,height=0"], torch.tensor([[1.0, 0.75], [2.0, 0.0]])),
        ("product", [[2, 1, 0, 90, 1]], torch.tensor([[2.0, 1, 0, 90, 1]])),
        ("none", "any", torch.empty(1, 0, dtype=torch.uint8)),
        ("none", torch.empty(3, 0), torch.empty(3, 0, dtype=torch.uint8)),
    ],
)
def test_labels_come_in_many_forms(kind: str, asked: Any, expected: torch.Tensor) -> None:
    found = read_labels(space_of(kind), asked)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_a_number_is_the_same_class_as_text_and_in_a_tensor() -> None:
    space = LABEL_SPACES.build("auto", "", {}, schema=ClassLabels(names=[str(number) for number in range(1, 13)]))
    for asked in ("2", ["2"], [2], torch.tensor([2]), '"3"'):
        assert space.describe(read_labels(space, asked)) == ["3"]


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        ("classes", "wasp", "no such class"),
        ("classes", [3], "expected 0..2"),
        ("classes", [-1], "expected 0..2"),
        ("classes", 1, r"found one number; expected \(B,\) int64 classes"),
        ("classes", [0.5], "does not hold"),
        ("classes", [float("nan")], "expected 0..2"),
        ("classes", [[1]], r"labels are \(1, 1\)"),
        ("classes", [[1], [1, 2]], r"^labels: .*expected text, or \(B,\) int64 classes"),
        ("classes", [None], "expected text, or"),
        ("attributes", [[2, 0]], "expected 0 or 1"),
        ("attributes", [[256, 0]], "found torch.int64 with values that torch.uint8 does not hold"),
        ("attributes", [[1]], r"expected \(1, 2\) uint8"),
        ("continuous", [[361.0, 0]], "pose: 361"),
        ("continuous", [[float("nan"), 0]], "pose: nan"),
        ("product", [[3.0, 0, 0, 0, 0]], "expected 0..2"),
    ],
)
def test_what_is_no_label_of_the_space_is_refused(kind: str, asked: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_labels(space_of(kind), asked)


def test_the_form_is_told() -> None:
    assert [form_of(SCHEMAS[kind]) for kind in ("classes", "product")] == [
        "(B,) int64 classes",
        "(B, 5) float32 product",
    ]
