from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from cgan_dist.tracking import JsonlTracker, Meter, WandbTracker, build_trackers


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_images_first(tmp_path: Path) -> None:
    tracker = JsonlTracker(tmp_path / "metrics.jsonl", 0)
    tracker.scalars(640, {"loss/d": 1.5})
    tracker.close()
    assert (tmp_path / "metrics.jsonl").read_text() == '{"images": 640, "loss/d": 1.5}\n'


@pytest.mark.parametrize(("resume_at", "kept"), [(20, [10, 20]), (25, [10, 20]), (5, []), (0, []), (99, [10, 20, 30])])
def test_going_on_drops_what_will_be_written_again(tmp_path: Path, resume_at: int, kept: list[int]) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"images": 10}\n{"images": 20}\n{"images": 30}\n{"images": 4')  # the last line was cut by a kill
    tracker = JsonlTracker(path, resume_at)
    tracker.scalars(100, {})
    tracker.close()
    assert [line["images"] for line in lines(path)] == [*kept, 100]


def test_the_meter_averages_between_log_lines() -> None:
    meter = Meter()
    for value in (1.0, 2.0, 6.0):
        meter.add({"a": torch.tensor(value)})
    meter.add({"b": torch.tensor(5.0)})
    assert {name: float(mean) for name, mean in meter.means().items()} == {"a": 3.0, "b": 5.0}
    meter.reset()
    assert meter.means() == {}


def test_an_open_interval_survives_a_checkpoint() -> None:
    whole, first, second = Meter(), Meter(), Meter()
    values = [0.1, 0.7, 0.3, 0.9]
    for value in values:
        whole.add({"a": torch.tensor(value)})
    for value in values[:2]:
        first.add({"a": torch.tensor(value)})
    state = json.loads(json.dumps(first.state({name: float(mean) for name, mean in first.means().items()})))
    second.restore(state, torch.device("cpu"))
    for value in values[2:]:
        second.add({"a": torch.tensor(value)})
    torch.testing.assert_close(second.means()["a"], whole.means()["a"], rtol=0, atol=1e-15)


def test_tensorboard_has_no_double_points_after_a_kill(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resume_at, steps in ((0, [16, 32, 48]), (32, [48, 64])):
        trackers = build_trackers(["tensorboard"], tmp_path, resume_at, "project", "name", {})
        for step in steps:
            trackers.scalars(step, {"loss/d": float(step)})
        trackers.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/d")] == [16, 32, 48, 64]


@pytest.mark.parametrize(("key", "mode"), [(None, "offline"), ("0" * 40, "online")])
def test_wandb_is_online_only_with_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None, mode: str
) -> None:
    import wandb

    started: list[dict[str, object]] = []

    class Run:
        def define_metric(self, *_: object, **__: object) -> None:
            pass

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(wandb, "login", lambda prompt: key is not None)
    monkeypatch.setattr(wandb, "init", lambda **options: started.append(options) or Run())
    WandbTracker(tmp_path, "project", "name", {"a": 1})
    WandbTracker(tmp_path, "project", "name", {"a": 1})
    assert [options["mode"] for options in started] == [mode, mode]
    assert started[0]["id"] == started[1]["id"]


def test_a_server_that_cannot_be_reached_means_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    modes: list[object] = []

    class Run:
        def define_metric(self, *_: object, **__: object) -> None:
            pass

    def init(mode: str, **_: object) -> Run:
        modes.append(mode)
        if mode == "online":
            raise wandb.errors.CommError("no route to host")
        return Run()

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "init", init)
    WandbTracker(tmp_path, "project", "name", {})
    assert modes == ["online", "offline"]


def test_tensorboard_gets_the_same_names(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    picture = tmp_path / "grid.png"
    Image.new("RGB", (4, 4)).save(picture)
    trackers = build_trackers(["tensorboard"], tmp_path, 0, "project", "name", {})
    trackers.scalars(640, {"loss/d": 1.5})
    trackers.picture(640, "random_z", picture)
    trackers.histograms(640, {"generator/weight": torch.randn(10)})
    trackers.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/d")] == [(640, 1.5)]
    assert events.Tags()["images"] == ["samples/random_z"]
    assert events.Tags()["histograms"] == ["generator/weight"]
    assert [line["images"] for line in lines(tmp_path / "metrics.jsonl")] == [640]
