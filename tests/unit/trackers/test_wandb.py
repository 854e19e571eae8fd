from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb
from PIL import Image

from cgan_dist.trackers.base import TrackedRun
from cgan_dist.trackers.jsonl import JsonlTracker
from cgan_dist.trackers.wandb import WandbTracker
from cgan_dist.trackers.wandb_session import BLOCK, history, sessions
from tests.wandb_server import WandbServer, wandb_server

PARTS = {f"loss/part_{number}": number / 10 for number in range(30)}
"""Enough that a block of W&B's file is full after a few dozen rows."""


@pytest.fixture(autouse=True)
def _fresh_wandb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """W&B reads the environment once in a process; nothing of the machine's own account is seen."""
    monkeypatch.setenv("HOME", str(tmp_path))
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.delenv("WANDB_MODE")
        yield server


class Process:
    """What one process of a run does: the truth and its mirror."""

    def __init__(self, folder: Path, images_seen: int, **options: Any) -> None:
        self.truth = JsonlTracker(folder, images_seen)
        self.mirror = WandbTracker(TrackedRun(folder, images_seen, "project", "name", {"a": 1}), **options)

    def log(self, first: int, last: int, sign: int = 1) -> None:
        for images in range(first, last + 1, 10):
            for tracker in (self.truth, self.mirror):
                tracker.scalars(images, {"loss/d": sign * float(images)} | PARTS)

    def rewind(self, images_seen: int) -> None:
        for tracker in (self.truth, self.mirror):
            tracker.rewind(images_seen)

    def end(self) -> None:
        for tracker in (self.truth, self.mirror):
            tracker.close(failed=False)
        wandb.teardown()  # as at the end of a process; until then the file's last block may be on its way


def recorded(folder: Path) -> list[dict[str, Any]]:
    """The rows of all sessions, in W&B's order."""
    files = sessions(folder / "wandb", (folder / "wandb_id").read_text())
    return sorted((row for path in files for row in history(path)), key=lambda row: row["_step"])


def in_the_file(folder: Path) -> list[int]:
    return [json.loads(line)["images"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def kill(folder: Path, blocks: int) -> None:
    """Leaves of the only session's file what a kill would: whole blocks."""
    [path] = sessions(folder / "wandb", (folder / "wandb_id").read_text())
    assert path.stat().st_size > blocks * BLOCK
    path.write_bytes(path.read_bytes()[: blocks * BLOCK])
    path.parent.rename(path.parent.with_name(f"offline-run-20000101_000000-{path.stem.removeprefix('run-')}"))


def test_all_of_one_point_of_the_clock_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    grid = tmp_path / "samples" / "random_z-000000000000.png"
    Image.new("RGB", (4, 4)).save(grid)
    process = Process(tmp_path, 0)
    process.mirror.picture(0, "random_z", grid)
    process.log(10, 10)
    process.mirror.picture(20, "random_z", grid)
    process.mirror.histograms(20, {"weights/generator/bias": torch.tensor([1.0, 1.0, 3.0])})
    process.log(20, 20)
    process.end()
    rows = recorded(tmp_path)
    assert [row["images"] for row in rows] == [0, 10, 20]
    assert rows[0].keys() & {"loss/d", "samples/random_z.path"} == {"samples/random_z.path"}
    assert rows[1].keys() & {"loss/d", "samples/random_z.path"} == {"loss/d"}
    assert rows[2]["loss/d"] == 20
    assert rows[2]["weights/generator/bias._type"] == "histogram"
    assert sum(rows[2]["weights/generator/bias.values"]) == 3
    [session] = sessions(tmp_path / "wandb", (tmp_path / "wandb_id").read_text())
    assert (session.parent / "files" / rows[2]["samples/random_z.path"]).is_file()


def test_what_a_kill_took_is_sent_again_and_no_row_is_there_twice(tmp_path: Path) -> None:
    first = Process(tmp_path, 0)
    first.log(10, 1000)
    first.end()
    kill(tmp_path, blocks=2)
    kept = [row["images"] for row in recorded(tmp_path)]
    assert 10 < len(kept) < 90
    (tmp_path / "samples").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "samples" / "fixed_z-000000000900.png")
    second = Process(tmp_path, 950)
    second.log(960, 1100)
    second.end()
    rows = recorded(tmp_path)
    assert [row["images"] for row in rows] == in_the_file(tmp_path) == list(range(10, 1101, 10))
    assert [row["_step"] for row in rows] == list(range(len(rows)))
    assert [row["images"] for row in rows if "samples/fixed_z.path" in row] == [900]


def test_what_is_trained_again_after_a_kill_is_not_there_twice(tmp_path: Path) -> None:
    first = Process(tmp_path, 0)
    first.log(10, 1000)
    first.end()
    kill(tmp_path, blocks=2)
    last_kept = recorded(tmp_path)[-1]["images"]
    assert last_kept > 100
    second = Process(tmp_path, 50)
    second.log(60, 1000)
    second.end()
    assert [row["images"] for row in recorded(tmp_path)] == in_the_file(tmp_path) == list(range(10, 1001, 10))


def test_a_return_to_a_checkpoint_shows_both_ways(tmp_path: Path) -> None:
    process = Process(tmp_path, 0)
    process.log(10, 50)
    process.rewind(20)
    process.log(30, 60, sign=-1)
    process.end()
    assert [row["loss/d"] for row in recorded(tmp_path)] == [10, 20, 30, 40, 50, -30, -40, -50, -60]


def test_a_kill_after_a_return_loses_nothing_of_the_new_way(tmp_path: Path) -> None:
    first = Process(tmp_path, 0)
    first.log(10, 900)
    first.rewind(500)
    first.log(510, 560, sign=-1)
    first.end()
    kill(tmp_path, blocks=4)
    assert recorded(tmp_path)[-1]["loss/d"] > 600, "nothing of the new way is left, and more of the old than was kept"
    second = Process(tmp_path, 550)
    second.log(560, 600, sign=-1)
    second.end()
    rows = recorded(tmp_path)
    assert [row["loss/d"] for row in rows if row["loss/d"] < 0] == list(range(-510, -601, -10))


def test_a_run_that_is_tracked_from_now_on_gets_all_its_lines_and_pictures(tmp_path: Path) -> None:
    truth = JsonlTracker(tmp_path, 0)
    truth.scalars(10, {"loss/d": 1.0})
    truth.scalars(20, {"loss/d": 2.0})
    truth.close(failed=False)
    (tmp_path / "samples").mkdir()
    for number in ("000000000000", "000000000020", "000000000030", "of-mine"):  # 30 is drawn again
        Image.new("RGB", (4, 4)).save(tmp_path / "samples" / f"random_z-{number}.png")
    (tmp_path / "samples" / "fixed_z-000000000020.png").write_bytes(b"damaged")
    process = Process(tmp_path, 20)
    process.log(30, 30)
    process.end()
    rows = recorded(tmp_path)
    assert [row["images"] for row in rows] == [0, 10, 20, 30]
    assert [row["images"] for row in rows if "samples/random_z.path" in row] == [0, 20]


def test_sessions_that_were_uploaded_and_cleaned_are_not_sent_again(tmp_path: Path) -> None:
    first = Process(tmp_path, 0)
    first.log(10, 20)
    first.end()
    shutil.rmtree(tmp_path / "wandb")
    second = Process(tmp_path, 20)
    second.log(30, 30)
    second.end()
    assert [row["images"] for row in recorded(tmp_path)] == [30]


def test_without_a_key_it_is_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    process = Process(tmp_path, 0)
    assert process.mirror.run.offline
    process.end()


def test_a_server_that_is_not_there_means_offline_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    process = Process(tmp_path, 0, start_seconds=0.5)
    process.log(10, 30)
    process.end()
    assert [row["images"] for row in recorded(tmp_path)] == [10, 20, 30]
    assert "W&B cannot be reached" in caplog.text


def test_online_rows_that_the_server_missed_are_sent_again(tmp_path: Path, server: WandbServer) -> None:
    first = Process(tmp_path, 0)
    first.log(10, 50)
    first.end()
    served = server.runs[(tmp_path / "wandb_id").read_text()]
    assert [row["images"] for row in served.history] == [10, 20, 30, 40, 50]
    del served.history[3:]  # what was on its way when the process was killed
    served.summary = json.dumps({"images": 30, "_step": 2})
    second = Process(tmp_path, 40)
    second.log(50, 70)
    second.end()
    assert [row["images"] for row in served.history] == in_the_file(tmp_path) == [10, 20, 30, 40, 50, 60, 70]
    assert [row["_step"] for row in served.history] == list(range(7))


def test_online_rows_that_the_server_has_are_not_there_twice(tmp_path: Path, server: WandbServer) -> None:
    first = Process(tmp_path, 0)
    first.log(10, 50)
    first.end()
    second = Process(tmp_path, 20)
    second.log(30, 70)
    second.end()
    served = server.runs[(tmp_path / "wandb_id").read_text()]
    assert [row["images"] for row in served.history] == [10, 20, 30, 40, 50, 60, 70]
    assert served.exit_code == 0


def test_a_run_that_goes_online_later_is_there_whole(
    tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("WANDB_MODE", "offline")
    first = Process(tmp_path, 0)
    first.log(10, 30)
    first.end()
    wandb.teardown()
    monkeypatch.delenv("WANDB_MODE")
    second = Process(tmp_path, 30)
    second.log(40, 50)
    second.end()
    served = server.runs[(tmp_path / "wandb_id").read_text()]
    assert [row["images"] for row in served.history] == [10, 20, 30, 40, 50]
    assert "Do not sync this run's offline sessions any more" in caplog.text


def test_a_server_that_goes_away_holds_up_the_end_for_a_bounded_time(tmp_path: Path, server: WandbServer) -> None:
    process = Process(tmp_path, 0, finish_seconds=0.5)
    process.log(10, 20)
    server.shutdown()  # it takes connections and never answers
    process.log(30, 40)
    began = time.monotonic()
    process.end()
    assert time.monotonic() - began < 20, "W&B's own bound is none"


def test_alerts_have_a_level_and_a_short_title(tmp_path: Path, server: WandbServer) -> None:
    process = Process(tmp_path, 0)
    process.mirror.alert(1640, "D wins", "why", True)
    process.mirror.alert(1640, "x" * 80, "why", False)
    process.mirror.close(failed=True)
    process.truth.close(failed=True)
    told = {(alert["title"], alert["text"], alert["severity"]) for alert in server.alerts}
    assert told == {("D wins", "1,640 images: why", "WARN"), ("x" * 63, "1,640 images: why", "INFO")}
    assert server.runs[(tmp_path / "wandb_id").read_text()].exit_code == 1
