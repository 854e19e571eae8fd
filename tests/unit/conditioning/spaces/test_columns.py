from __future__ import annotations

import numpy as np

from cgan_dist.conditioning.spaces.attributes import Attributes
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.conditioning.spaces.columns import columns_of_space
from cgan_dist.conditioning.spaces.continuous import Continuous
from cgan_dist.conditioning.spaces.none import Unlabelled
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels


def test_a_class_has_its_own_images_and_others_have_no_column() -> None:
    space = Classes(ClassLabels(names=["a", "b", "c"]))
    stored = np.array([0, 2, 1, 0, 2])
    first, second = columns_of_space(space, space.grid(2))
    assert first(stored).tolist() == [True, False, False, True, False]
    assert second(stored).tolist() == [False, False, True, False, False]


def test_attributes_belong_where_the_chosen_ones_are_the_same() -> None:
    space = Attributes(AttributeLabels(names=["x", "y", "z"]), names=["z", "x"])
    stored = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]], np.uint8)
    found = [fits(stored).tolist() for fits in columns_of_space(space, space.grid(4))]  # none, z, x, z+x
    assert found == [[row == column for row in range(4)] for column in range(4)]


def test_real_values_belong_to_the_nearest_column() -> None:
    space = Continuous(ContinuousLabels(names=["angle"], ranges=[(0.0, 90.0)]))
    stored = np.array([[0], [40], [46], [90], [70]], np.float32)
    found = np.stack([fits(stored) for fits in columns_of_space(space, space.grid(3))])  # 0, 45, 90
    assert found.argmax(0).tolist() == [0, 1, 1, 2, 2]
    assert (found.sum(0) == 1).all()


def test_without_labels_every_image_belongs_everywhere() -> None:
    space = Unlabelled(NoLabels())
    for fits in columns_of_space(space, space.grid(3)):
        assert fits(np.empty((4, 0), np.uint8)).all()
