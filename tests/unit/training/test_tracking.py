from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from cgan_dist.config.values import Named
from cgan_dist.errors import UserError
from cgan_dist.trackers.base import TrackedRun
from cgan_dist.training.tracking import Trackers, build_trackers, check_trackers
from tests.memory_tracker import Memory

HERE = "tests.memory_tracker"


def named(name: str, **args: Any) -> Named:
    return Named(name=f"{HERE}:{name}" if name[0].isupper() else name, args=args)


def built(folder: Path, *trackers: Named, images_seen: int = 0) -> Trackers:
    return build_trackers(trackers, folder, images_seen, "project", "name", {"a": 1})


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_tracker_of_the_users_own_is_told_everything(tmp_path: Path) -> None:
    trackers = built(tmp_path, named("Memory", label="other"), images_seen=32)
    trackers.scalars(640, {"loss/d": 1.5})
    trackers.picture(640, "random_z", tmp_path / "grid.png")
    trackers.histograms(640, {"bias": torch.zeros(1)})
    trackers.alert(640, "Finished", "all", trouble=False)
    trackers.rewind(320)
    trackers.close(failed=True)
    assert Memory.last.calls == [
        ("scalars", 640, {"loss/d": 1.5}),
        ("alert", "Finished", False),
        ("rewind", 320),
        ("close", True),
    ]
    assert Memory.last.label == "other"
    assert Memory.last.run == TrackedRun(tmp_path, 32, "project", "name", {"a": 1})


def test_a_mirror_that_fails_is_told_once_and_given_up_and_the_truth_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trackers = built(tmp_path, named("Memory"))
    trackers.scalars(1, {"a": 1.0})
    Memory.last.broken = True
    for images in range(2, 10):
        trackers.scalars(images, {"a": 1.0})
    Memory.last.broken = False
    trackers.scalars(10, {"a": 1.0})
    trackers.close()
    assert [line["images"] for line in lines(tmp_path / "metrics.jsonl")] == list(range(1, 11))
    assert Memory.last.calls == [("scalars", 1, {"a": 1.0}), ("close", False)]
    assert [record.message for record in caplog.records] == [
        f"Tracker {HERE}:Memory failed at scalars (ConnectionError: the network is gone); "
        "training and metrics.jsonl go on.",
        f"Tracker {HERE}:Memory gets no more scalars: 3 failed in a row.",
        f"Tracker {HERE}:Memory failed 3 times.",
    ]


def test_a_mirror_that_recovers_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trackers = built(tmp_path, named("Memory"))
    for images in range(1, 10):
        Memory.last.broken = images % 3 != 0
        trackers.scalars(images, {})
    trackers.close()
    assert [call[1] for call in Memory.last.calls] == [3, 6, 9, False]
    assert [record.message for record in caplog.records][1:] == [f"Tracker {HERE}:Memory failed 6 times."]


def test_one_kind_of_call_that_fails_does_not_cost_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trackers = built(tmp_path, named("Memory"))
    Memory.last.broken = True
    for images in range(1, 6):
        trackers.picture(images, "random_z", tmp_path / "grid.png")  # succeeds in between
        trackers.scalars(images, {})
    trackers.alert(6, "D wins", "why")
    trackers.close()
    assert Memory.last.calls == [("alert", "D wins", True), ("close", False)]
    assert f"Tracker {HERE}:Memory failed 3 times." in caplog.text


def test_a_mirror_that_cannot_be_built_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trackers = built(tmp_path, named("Unbuildable"), named("Memory"))
    trackers.scalars(1, {})
    trackers.close()
    assert "Unbuildable failed to start (RuntimeError: no license)" in caplog.text
    assert Memory.last.calls == [("scalars", 1, {}), ("close", False)]


def test_ctrl_c_is_not_a_failure_of_a_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trackers = built(tmp_path, named("Memory"))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Memory.last, "scalars", interrupt)
    with pytest.raises(KeyboardInterrupt):
        trackers.scalars(1, {})
    trackers.close()


@pytest.mark.parametrize(
    ("tracker", "told"),
    [
        (named("wandbb"), r"tracking\.trackers\.0: unknown tracker 'wandbb'.* Did you mean 'wandb'\?"),
        (named("wandb", start_second=1), r"tracking\.trackers\.0\.args\.start_second: .* Did you mean 'start_seconds'"),
        (named("wandb", start_seconds=0), r"tracking\.trackers\.0\.args\.start_seconds: found 0"),
        (named("wandb", run=1), r"tracking\.trackers\.0\.args\.run: decided by"),
        (named("tensorboard", folder="x"), r"tracking\.trackers\.0\.args\.folder: unknown argument"),
        (named("Absent"), r"has no 'Absent'"),
    ],
)
def test_what_is_wrong_with_a_tracker_is_told_before_anything_starts(tracker: Named, told: str) -> None:
    with pytest.raises(UserError, match=told):
        check_trackers([tracker])


def test_what_is_right_passes() -> None:
    check_trackers([named("wandb", start_seconds=5, entity="me"), named("tensorboard"), named("Memory", label="x")])


def test_the_same_tracker_twice_is_refused() -> None:
    with pytest.raises(UserError, match=r"tracking\.trackers: found wandb twice"):
        check_trackers([named("wandb"), named("wandb", entity="me")])


def test_alerts_stay_when_the_run_goes_back_and_metrics_do_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trackers = built(tmp_path)
    trackers.scalars(640, {"loss/d": 1.0})
    trackers.alert(640, "D wins", "it is right too often")
    trackers.close()
    with (tmp_path / "alerts.jsonl").open("a") as file:
        file.write('{"images": 7')  # cut by a kill
    trackers = built(tmp_path, images_seen=320)
    trackers.alert(960, "Finished", "all images seen", trouble=False)
    trackers.close()
    assert lines(tmp_path / "metrics.jsonl") == []
    assert lines(tmp_path / "alerts.jsonl") == [
        {"images": 640, "alert": "D wins", "text": "it is right too often"},
        {"images": 960, "alert": "Finished", "text": "all images seen"},
    ]
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "D wins at 640 images: it is right too often"),
        ("INFO", "Finished at 960 images: all images seen"),
    ]
