from __future__ import annotations

import pytest
import torch

from cgan_dist.conditioning.base import as_vector, condition_product
from cgan_dist.conditioning.classes import Classes
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels

SPACE = Classes(ClassLabels(names=["t-shirt", "sneaker", "ankle boot"]))


def test_numbers_and_names_are_read() -> None:
    assert SPACE.parse("2, 0,sneaker,ankle boot").tolist() == [2, 0, 1, 2]


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("3", ["label 3 is outside 0..2"]),
        ("-1", ["label -1 is outside 0..2"]),
        ("sneeker", ["label 'sneeker': no such class", "Did you mean 'sneaker'?"]),
        ("", ["expected class numbers or names"]),
        ("1.5", ["label '1.5': no such class"]),
    ],
)
def test_what_is_no_label_is_refused(text: str, fragments: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        SPACE.parse(text)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_labels_of_the_wrong_type_are_refused() -> None:
    with pytest.raises(UserError, match="expected .* int64 class labels"):
        SPACE.check(torch.tensor([0.5]), "here")


def test_one_class_is_not_conditional() -> None:
    with pytest.raises(UserError, match="at least 2 classes"):
        Classes(ClassLabels(names=["only"]))


def test_data_with_other_labels_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"conditioning.labels: 'classes' needs class labels, the data has 'attributes'"
    ):
        Classes(AttributeLabels(names=["Smiling"]))


def test_a_grid_shows_the_first_classes() -> None:
    assert SPACE.grid(2).tolist() == [0, 1]
    assert SPACE.grid(9).tolist() == [0, 1, 2]


def test_a_look_up_is_the_product_with_a_one_hot_vector() -> None:
    weight, labels = torch.randn(3, 4), torch.tensor([2, 0])
    torch.testing.assert_close(condition_product(labels, weight), as_vector(labels, 3) @ weight)
    torch.testing.assert_close(condition_product(as_vector(labels, 3), weight), as_vector(labels, 3) @ weight)
