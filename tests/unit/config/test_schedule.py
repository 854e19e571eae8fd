from __future__ import annotations

import math
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from cgan_dist.config.schedule import Schedule, largest, smallest, value_at


def schedule(shape: Literal["cosine", "linear", "step"], **values: Any) -> Schedule[float]:
    return Schedule[float](**{"start": 3.0, "end": 1.0, "end_images": 1_000, "shape": shape} | values)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("linear", {0: 3.0, 200: 3.0, 400: 2.5, 600: 2.0, 800: 1.5, 1_000: 1.0, 1_001: 1.0, 10**12: 1.0}),
        (
            "cosine",
            {0: 3.0, 200: 3.0, 400: 2 + math.sqrt(0.5), 600: 2.0, 800: 2 - math.sqrt(0.5), 1_000: 1.0, 9_999: 1.0},
        ),
        ("step", {0: 3.0, 200: 3.0, 600: 3.0, 999: 3.0, 1_000: 1.0, 1_001: 1.0}),
    ],
)
def test_values_before_between_and_after(
    shape: Literal["cosine", "linear", "step"], expected: dict[int, float]
) -> None:
    moving = schedule(shape, begin_images=200)
    found = {images: value_at(moving, images) for images in expected}
    assert found == pytest.approx(expected, rel=1e-12)
    assert value_at(moving, 0) == 3.0  # both ends exactly
    assert value_at(moving, 1_000) == 1.0


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize(("start", "end"), [(2e-4, 5e-5), (0.0, 0.99), (0.1, 0.1)])
def test_all_values_lie_between_the_ends_and_move_one_way(
    shape: Literal["cosine", "linear"], start: float, end: float
) -> None:
    moving = schedule(shape, start=start, end=end, begin_images=7)
    values = [value_at(moving, images) for images in range(0, 1_100, 3)]
    direction = 1 if end >= start else -1
    assert all(direction * (later - value) >= -1e-15 for value, later in zip(values, values[1:], strict=False))
    assert (values[0], values[-1]) == (start, end)


def test_a_value_depends_on_nothing_but_the_clock() -> None:
    moving = schedule("cosine")
    forward = [value_at(moving, images) for images in range(0, 1_200, 100)]
    backward = [value_at(moving, images) for images in reversed(range(0, 1_200, 100))]
    assert forward == backward[::-1]
    assert moving == schedule("cosine")
    with pytest.raises(ValidationError, match="frozen"):
        moving.start = 2.0


def test_a_number_is_a_schedule_that_stays() -> None:
    assert [value_at(0.3, images) for images in (0, 10**9)] == [0.3, 0.3]
    assert isinstance(value_at(2, 0), float)
    assert largest(0.3) == smallest(0.3) == 0.3


def test_the_largest_value_is_at_an_end() -> None:
    assert largest(schedule("cosine")) == 3.0
    assert largest(schedule("linear", start=0.0)) == 1.0
    assert smallest(schedule("linear", start=0.0)) == 0.0
    assert smallest(schedule("cosine")) == 1.0
    assert largest(schedule("step", start=0.0, end=0.0)) == 0.0


def test_the_default_shape_is_a_cosine_from_the_first_image() -> None:
    plain = Schedule[float](start=1.0, end=0.0, end_images=8)
    assert (plain.shape, plain.begin_images) == ("cosine", 0)


def test_it_reads_well() -> None:
    assert str(schedule("linear", start=2e-4, end_images=20_000_000)) == (
        "0.0002 to 1 (linear, images 0 to 20,000,000)"
    )


@pytest.mark.parametrize("begin", [1_000, 1_001])
def test_it_must_begin_before_it_ends(begin: int) -> None:
    with pytest.raises(ValidationError, match=rf"begin_images \({begin}\) must be less than end_images \(1000\)"):
        schedule("linear", begin_images=begin)


@pytest.mark.parametrize(
    "wrong", [{"end_images": 0}, {"end_images": 1.5}, {"begin_images": -1}, {"start": "3"}, {"start": True}, {"x": 1}]
)
def test_wrong_values_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schedule("linear", **wrong)
