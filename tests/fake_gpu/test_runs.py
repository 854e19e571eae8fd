"""Whole runs, alone and as rank 0 of eight: each room that they visit, and the iterations in between."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fake_gpu.bounds import (
    MORE_WAITS_FOR_RANKS,
    MORE_WAITS_IN_FP16,
    ONCE,
    WAITS_IN_ROOMS,
)
from tests.fake_gpu.cases import FAMILIES
from tests.fake_gpu.reports import Report, reports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
RUNS = [(family, case.name) for family in ("runs", "ranks") for case in FAMILIES[family].cases if case.whole_run]


def assert_clean(report: Report) -> None:
    """Nothing stopped it, and nothing was on two devices."""
    assert report.error is None
    assert all(not page.mixed for page in report.pages.values()), report.pages


@pytest.mark.parametrize(("family", "case"), RUNS)
def test_iterations_of_a_run_wait_for_nobody(family: str, case: str) -> None:
    report = reports(family)[case]
    assert_clean(report)
    pages = report.visits("iteration")
    assert len(pages) == 8
    for page in pages:
        waits = page.waits_by_file
        for what, most in ONCE.items():
            assert waits.pop(what, 0) <= most
        assert waits == {}, page.waits


@pytest.mark.parametrize(("family", "case"), RUNS)
def test_a_run_waits_in_its_rooms_as_often_as_it_must(family: str, case: str) -> None:
    report = reports(family)[case]
    for room, expected in WAITS_IN_ROOMS.items():
        page = report.visits(room)[0]
        for_ranks = MORE_WAITS_FOR_RANKS.get(room, {}) if family == "ranks" else {}
        in_fp16 = MORE_WAITS_IN_FP16.get(room, {}) if "fp16" in case else {}
        assert page.waits_by_file == Counter(expected) + Counter(for_ranks) + Counter(in_fp16), page.waits


@pytest.mark.parametrize(("family", "case"), RUNS)
def test_ranks_agree_now_and_then_only(family: str, case: str) -> None:
    first, *others = reports(family)[case].visits("agree")
    assert first.operations
    assert not any(page.operations or page.waits for page in others)


@pytest.mark.parametrize(("family", "case"), RUNS)
def test_a_run_visits_every_room(family: str, case: str) -> None:
    report = reports(family)[case]
    visited = {part for name in report.pages for part in name.rpartition(" ")[0].split(" and ")}
    rooms = {"agree", "iteration", "log", "sample", "checkpoint", "compare", "histograms"}
    assert visited - {""} == rooms | (set() if "by rows" in case else {"evaluate"})
    assert sum(report.pages["restore"].copies.values()) > 40
    assert report.pages["restore"].waits_by_file.keys() <= {
        f"copy to the device at {file}"
        for file in (
            *("training/trainer.py", "training/optimizer.py", "distributed/buffers.py"),
            *("losses/lecam.py", "augment/adaptation.py"),
        )
    }


@pytest.mark.parametrize("config", [case.name for case in FAMILIES["ranks"].cases if not case.whole_run])
def test_a_config_on_eight_ranks_is_on_the_device_and_waits_for_nobody(config: str) -> None:
    report = reports("ranks")[config]
    assert_clean(report)
    (page,) = report.visits("iteration")
    waits = page.waits_by_file
    for what, most in ONCE.items():
        assert waits.pop(what, 0) <= most
    assert waits == {}, page.waits
