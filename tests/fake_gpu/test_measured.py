"""A step that `check` tries and measures on a device: it is there, and the clock is read when the device is done."""

from __future__ import annotations

import pytest

from tests.fake_gpu.bounds import ONCE
from tests.fake_gpu.cases import FAMILIES
from tests.fake_gpu.reports import reports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("case", [case.name for case in FAMILIES["measured"].cases])
def test_the_clock_is_read_when_the_device_is_done(case: str) -> None:
    report = reports("measured")[case]
    assert report.error is None
    assert all(not page.mixed for page in report.pages.values()), report.pages
    waits = report.pages["measure"].waits_by_file
    for what in ONCE:
        waits.pop(what, 0)
    copies = waits.pop("copy to the device at assembly/measurement.py")
    assert copies % 2 == 0  # images and labels, once for each size and once for what is timed
    assert waits.pop("synchronize at distributed/group.py") > copies
    assert not waits, report.pages["measure"].waits
