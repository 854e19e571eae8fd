from __future__ import annotations

import io

import pytest

from cgan_dist.training.progress_bar import ProgressBar


def test_a_clock_that_is_set_back_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, steady, shown = [1e9], [1000.0], io.StringIO()
    monkeypatch.setattr("tqdm.std.time", lambda: wall[0])
    monkeypatch.setattr("time.monotonic", lambda: steady[0])
    with ProgressBar(total=1000, initial=100, unit=" images", file=shown, mininterval=1.0, ascii=True) as bar:
        for hours in (0, -5, 0, 48):
            wall[0] += 3600 * hours
            steady[0] += 10
            bar.update(100)
    lines = shown.getvalue().split("\r")[2:]
    assert [line.partition("|")[2].partition("|")[2].strip() for line in lines[:4]] == [
        "200/1000 [00:10<01:20, 10.00 images/s]",
        "300/1000 [00:20<01:10, 10.00 images/s]",
        "400/1000 [00:30<01:00, 10.00 images/s]",
        "500/1000 [00:40<00:50, 10.00 images/s]",
    ]
