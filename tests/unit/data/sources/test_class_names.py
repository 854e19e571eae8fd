from __future__ import annotations

import random

import pytest

from cgan_dist.data.sources.class_names import in_natural_order

HUGE = "9" * 5000


@pytest.mark.parametrize(
    "names",
    [
        [str(number) for number in range(1, 13)],
        ["-10", "-9", "-1", "0", "007", "7", "10"],
        ["-" + HUGE, "-1", HUGE, HUGE + "0"],
        ["img1", "img2", "img10", "img10a", "imga"],
        ["1 to 2", "2", "10", "10 to 20", "x"],
        ["a01", "a1", "a1b", "a02"],
        ["", "2nd", "10th", "Eel", "cat"],
    ],
    ids=lambda names: names[0][:9] + " ...",
)
def test_names_stand_as_a_person_counts(names: list[str]) -> None:
    mixed = random.Random(0).sample(names, len(names))
    assert in_natural_order(mixed + mixed) == names
