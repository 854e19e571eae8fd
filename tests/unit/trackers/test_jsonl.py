from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest

from cgan_dist.errors import UserError
from cgan_dist.trackers.jsonl import JsonlTracker, lines_after


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_images_first(tmp_path: Path) -> None:
    tracker = JsonlTracker(tmp_path, 0)
    tracker.scalars(640, {"loss/d": 1.5})
    tracker.close(failed=False)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"images": 640, "loss/d": 1.5}\n'


def test_what_is_not_finite_is_null_as_json_wants_it(tmp_path: Path) -> None:
    tracker = JsonlTracker(tmp_path, 0)
    tracker.scalars(640, {"a": math.nan, "b": math.inf, "c": 1.0})
    tracker.close(failed=False)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"images": 640, "a": null, "b": null, "c": 1.0}\n'
    assert list(lines_after(tmp_path / "metrics.jsonl", 0)) == [(640, {"c": 1.0})]


@pytest.mark.parametrize(("resume_at", "kept"), [(20, [10, 20]), (25, [10, 20]), (5, []), (0, []), (99, [10, 20, 30])])
def test_going_on_drops_what_will_be_written_again(tmp_path: Path, resume_at: int, kept: list[int]) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"images": 10}\n{"images": 20}\n{"images": 30}\n{"images": 4')  # the last line was cut by a kill
    tracker = JsonlTracker(tmp_path, resume_at)
    tracker.scalars(100, {})
    tracker.close(failed=False)
    assert [line["images"] for line in lines(path)] == [*kept, 100]


def test_lines_are_read_from_a_point_of_the_clock_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert list(lines_after(path, -1)) == []
    path.write_text('{"images": 0, "a": 1.0}\n{"images": 10, "a": 2.0}\n{"images": 20, "b": 3.0}\n{"ima')
    assert list(lines_after(path, -1)) == [(0, {"a": 1.0}), (10, {"a": 2.0}), (20, {"b": 3.0})]
    assert list(lines_after(path, 10)) == [(20, {"b": 3.0})]


@pytest.mark.parametrize("what", ["scalars", "alert"])
def test_a_full_disk_is_told_and_not_passed_over(tmp_path: Path, what: str) -> None:
    tracker = JsonlTracker(tmp_path, 0)
    if what == "scalars":
        tracker.file = Path("/dev/full").open("a", encoding="utf-8")  # noqa: SIM115
    else:
        (tmp_path / "alerts.jsonl").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"\.jsonl: cannot be written \(No space left on device\)"):
        tracker.scalars(1, {}) if what == "scalars" else tracker.alert(1, "D wins", "why", True)
    tracker.close(failed=True)


@pytest.mark.parametrize(
    "line",
    [b'{"step": 20}', b"\xff\xfe\x00", b"garbage", b"[1, 2]", b'{"images": "many"}', b"3", b"\0" * 50, b"[" * 10_000],
    ids=["other", "bytes", "words", "list", "text", "number", "zeros", "deep"],
)
def test_a_line_of_something_else_is_named_and_nothing_is_lost(tmp_path: Path, line: bytes) -> None:
    content = b'{"images": 10}\n\n' + line + b'\n{"images": 30}\n'
    (tmp_path / "metrics.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 3: found .* which is no line of this run") as caught:
        JsonlTracker(tmp_path, 30)
    assert f"mv {tmp_path}/metrics.jsonl {tmp_path}/metrics.jsonl.aside" in str(caught.value)
    assert (tmp_path / "metrics.jsonl").read_bytes() == content
    advice = str(caught.value).partition("Remove that line (")[2].partition(")")[0]
    assert subprocess.run(advice.split(), check=False).returncode == 0
    JsonlTracker(tmp_path, 30).close(failed=False)
    assert [line["images"] for line in lines(tmp_path / "metrics.jsonl")] == [10, 30]


def test_alerts_in_other_bytes_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(b"\xff\xfe\n{cut")
    JsonlTracker(tmp_path, 10).close(failed=False)
    assert (tmp_path / "alerts.jsonl").read_bytes() == b"\xff\xfe\n"
