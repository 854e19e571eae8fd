from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from cgan_dist.training.pace import Pace, duration, rounded


def heard(
    caplog: pytest.LogCaptureFixture, times: Iterator[float] | list[float], images: list[int], total: int
) -> list[str]:
    """What is said when iterations end at these times, with so many images seen."""
    clock = iter(times)
    pace = Pace(total, now=lambda: next(clock))
    with caplog.at_level(logging.INFO, logger="cgan_dist"):
        for seen in images:
            pace.beat(seen)
    return [record.getMessage() for record in caplog.records]


def test_the_length_is_said_once_and_without_the_first_iteration(caplog: pytest.LogCaptureFixture) -> None:
    said = heard(caplog, [100.0, 120.0, 140.0, 160.0], [64, 128, 192, 256, 320], total=10_000_000)
    assert said == ["At this speed, 3.20 images/s, the run takes another 36 days."]


def test_a_short_run_ends_before_it_is_known(caplog: pytest.LogCaptureFixture) -> None:
    assert heard(caplog, [0.0, 10.0, 20.0], [64, 128, 192], total=192) == []
    assert heard(caplog, [0.0, 40.0], [64, 128], total=128) == []


def test_a_run_that_went_back_says_nothing_wrong(caplog: pytest.LogCaptureFixture) -> None:
    said = heard(caplog, [0.0, 40.0, 80.0], [1_064, 1_000, 1_864], total=4_264)
    assert said == ["At this speed, 10.0 images/s, the run takes another 4 min."]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (40, "40 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (3_480, "58 min"),
        (5_969, "99 min"),
        (6_000, "1.7 h"),
        (27_000, "7.5 h"),
        (35_900, "10 h"),
        (298_800, "83 h"),
        (363_600, "4.2 days"),
        (1_818_182, "21 days"),
        (2e8, "2,315 days"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.053, "0.05"), (5.481, "5.48"), (98.46, "98.5"), (140.2, "140"), (1234.5, "1,234")]
)
def test_a_rate_has_three_digits_or_more(rate: float, text: str) -> None:
    assert rounded(rate) == text
