from __future__ import annotations

import math

import numpy as np
import pytest

from cgan_dist.config.watching import GuardConfig
from cgan_dist.training.alarms import COLLAPSED_GRIDS, FEWEST_LINES, Alarms, Collapse, Dominance, Stall, variance_ratio


def told(look: object, values: list[float | None]) -> list[int]:
    """At which of the values there was an alert."""
    return [number for number, value in enumerate(values) if look(value) is not None]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.99] * 7, [2]),
        ([1.0, 1.0, 0.98, 1.0, 1.0, 0.98], []),
        ([1.0] * 4 + [0.98] + [1.0] * 4, [2, 7]),
        ([1.0, None, 1.0, math.nan, 1.0], [4]),
        ([0.5] * 9, []),
    ],
)
def test_a_winning_discriminator_is_told_once_until_it_recovers(
    accuracies: list[float | None], expected: list[int]
) -> None:
    assert told(Dominance(0.99, 3).look, accuracies) == expected


def test_without_a_bound_nobody_wins() -> None:
    assert told(Dominance(None, 1).look, [1.0] * 5) == []


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ([100.0] * 6 + [9.0, 8.0, 9.0], [6]),
        ([100.0] * 6 + [11.0], []),
        ([100.0] * 6 + [9.0, 50.0, 9.0], [6, 8]),
        ([100.0] * (FEWEST_LINES - 1) + [1.0], []),
        ([1.0] + [100.0] * 6 + [12.0, 9.0], [8]),
        ([100.0] * 6 + [5.0] * 50, [6]),
        ([None, math.nan] + [100.0] * 6 + [1.0], [8]),
        ([0.0] * 9, []),
    ],
)
def test_a_stall_is_told_once_until_speed_is_back(speeds: list[float | None], expected: list[int]) -> None:
    assert told(Stall().look, speeds) == expected


def test_an_alert_names_the_columns_that_collapsed_once_each() -> None:
    collapse, names = Collapse(0.05), ["cat", "dog", "fox"]
    alerts = [
        collapse.look(ratios, names)
        for ratios in (
            {0: 0.5, 1: 0.01, 2: 1.0},
            {0: 0.01, 1: 0.02, 2: 1.0},
            {0: 0.03, 1: 0.02, 2: 0.05},
            {0: 0.5, 1: 0.02},
            {0: 0.01, 1: 0.02},
            {0: 0.01, 1: 0.02},
        )
    ]
    assert COLLAPSED_GRIDS == 2
    assert [alert is not None for alert in alerts] == [False, True, True, False, False, True]
    first, second, third = (alert.text for alert in alerts if alert is not None)
    assert "'dog' (0.02)" in first
    assert "cat" not in first
    assert "'cat' (0.03)" in second
    assert "dog" not in second
    assert "'cat' (0.01)" in third
    assert all(Collapse(None).look({0: 0.0}, names) is None for _ in range(5))


def noise(shape: tuple[int, ...], spread: float, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(120, spread, shape)
    return values.clip(0, 250).astype(np.uint8)


def test_the_ratio_of_variances_is_that_of_the_columns_images() -> None:
    real, fake = noise((6, 3, 8, 8, 1), 20), noise((4, 3, 8, 8, 1), 20, seed=1)
    fake[:, 1] = fake[:1, 1]  # one image, again and again
    fake[:, 2] = noise((4, 8, 8, 1), 10)
    ratios = variance_ratio(fake, real)
    assert list(ratios) == [0, 1, 2]
    assert ratios[0] == pytest.approx(1, abs=0.2)
    assert ratios[1] == 0
    assert ratios[2] == pytest.approx(0.25, abs=0.08)
    by_hand = [np.var(cells[:, 0].astype(float), axis=0, ddof=1).mean() for cells in (fake, real)]
    assert ratios[0] == pytest.approx(by_hand[0] / by_hand[1], rel=1e-12)


def test_differences_between_columns_do_not_count() -> None:
    real, fake = noise((4, 2, 8, 8, 1), 20), np.zeros((4, 2, 8, 8, 1), np.uint8)
    fake[:, 1] = 255
    assert variance_ratio(fake, real) == {0: 0, 1: 0}


def test_blank_cells_and_columns_that_tell_nothing_are_left_out() -> None:
    real, fake = noise((4, 4, 8, 8, 1), 20), noise((4, 4, 8, 8, 1), 20, seed=1)
    whole = variance_ratio(fake, real[:2])
    real[2:, 0] = 255  # two real images found
    real[1:, 1] = 255  # one
    real[:, 2] = 255  # none
    real[:, 3] = 7  # all the same
    assert variance_ratio(fake, real) == {0: whole[0]}
    assert variance_ratio(fake[:1], real) == {}


def test_grey_repeated_to_three_channels_is_as_varied_as_before() -> None:
    real, fake = noise((4, 2, 8, 8, 1), 20), noise((4, 2, 8, 8, 1), 20, seed=1)
    assert variance_ratio(fake.repeat(3, axis=4), real) == pytest.approx(variance_ratio(fake, real), rel=1e-12)


def test_all_alarms_of_a_run_by_the_config() -> None:
    alarms = Alarms(GuardConfig(alarm_lines=6, alarm_d_accuracy=0.9, alarm_variance=0.5))
    line = {"d/accuracy": 0.95, "perf/images_per_second": 100.0, "loss/d": 0.1}
    assert [alarms.of_line(line) for _ in range(5)] == [[]] * 5
    titles = [alert.title for alert in alarms.of_line(line | {"perf/images_per_second": 1.0})]
    assert titles == ["The discriminator wins", "Training has slowed down"]
    assert alarms.of_line({"eval/frechet_distance": 3.0}) == []
    assert [len(alarms.of_grid({0: 0.4}, ["x"])) for _ in range(3)] == [0, 1, 0]
    assert all(len(title) < 64 for title in titles)


def test_alarms_that_are_null_say_nothing() -> None:
    alarms = Alarms(GuardConfig(alarm_lines=1, alarm_d_accuracy=None, alarm_variance=None))
    assert alarms.of_line({"d/accuracy": 1.0}) == []
    assert [alarms.of_grid({0: 0.0}, ["x"]) for _ in range(3)] == [[]] * 3
