from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from cgan_dist.meter import Meter, finite_means
from cgan_dist.tracking import JsonlTracker, WandbTracker, build_trackers


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


def test_what_is_not_finite_does_not_spoil_a_mean() -> None:
    meter = Meter()
    for value in (1.0, math.nan, 2.0, math.inf, -math.inf, 6.0):
        meter.add({"a": torch.tensor(value), "b": torch.tensor(math.nan)})
    assert finite_means(meter.state()) == {"a": 3.0}
    assert {name: int(count) for name, count in meter.counts.items()} == {"a": 3, "b": 0}
    assert list(meter.means()) == ["a", "b"], "names are the same on every rank, whatever the values are"
    assert meter.means()["b"].isnan()


def test_scalars_may_come_and_go() -> None:
    meter = Meter()
    meter.add({})
    assert (meter.means(), meter.state(), meter.counts) == ({}, {"sums": {}, "counts": {}}, {})
    meter.add({"d": torch.tensor(1.0), "penalty": torch.tensor(8.0)})
    meter.add({"d": torch.tensor(3.0)})
    meter.add({"g": torch.tensor(5.0, dtype=torch.bfloat16)})
    assert finite_means(meter.state()) == {"d": 2.0, "penalty": 8.0, "g": 5.0}


def test_the_mean_over_ranks_is_that_of_all_finite_values() -> None:
    ranks = [Meter(), Meter()]
    for meter, values in zip(ranks, ([1.0, math.nan], [2.0, 6.0]), strict=True):
        for value in values:
            meter.add({"a": torch.tensor(value), "b": torch.tensor(math.nan)})
    mean = torch.stack([meter.totals for meter in ranks]).mean(0)
    assert finite_means(ranks[0].state(lambda own: mean)) == {"a": 3.0}


def test_adding_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object) -> None:
        raise AssertionError("the host waits for the device")

    meter = Meter()
    for name in ("item", "__bool__", "__float__", "tolist", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, wait)
    meter.add({"a": torch.tensor(1.0), "b": torch.tensor(math.nan)})
    meter.add({"b": torch.tensor(3.0)})
    monkeypatch.undo()
    assert finite_means(meter.state()) == {"a": 1.0, "b": 3.0}


def test_an_open_interval_survives_a_checkpoint_exactly() -> None:
    whole, first, second = Meter(), Meter(), Meter()
    values = [0.1, 0.7, math.nan, 0.3, 0.9, 1 / 3]
    for value in values:
        whole.add({"a": torch.tensor(value), "never": torch.tensor(math.nan)})
    for value in values[:3]:
        first.add({"a": torch.tensor(value), "never": torch.tensor(math.nan)})
    second.add({"gone": torch.tensor(1.0)})
    second.restore(json.loads(json.dumps(first.state())), torch.device("cpu"))
    for value in values[3:]:
        second.add({"a": torch.tensor(value), "never": torch.tensor(math.nan)})
    assert second.state() == whole.state()
    second.restore({"sums": {}, "counts": {}}, torch.device("cpu"))
    assert second.means() == {}


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


def test_alerts_stay_when_the_run_goes_back_and_metrics_do_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trackers = build_trackers([], tmp_path, 0, "project", "name", {})
    trackers.scalars(640, {"loss/d": 1.0})
    trackers.alert(640, "D wins", "it is right too often")
    trackers.close()
    with (tmp_path / "alerts.jsonl").open("a") as file:
        file.write('{"images": 7')  # cut by a kill
    trackers = build_trackers([], tmp_path, 320, "project", "name", {})
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


def test_wandb_gets_alerts_with_a_level_and_a_short_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    sent: list[tuple[object, ...]] = []

    class Run:
        def define_metric(self, *_: object, **__: object) -> None:
            pass

        def alert(self, title: str, text: str, level: wandb.AlertLevel) -> None:
            sent.append((title, text, level))

    monkeypatch.setattr(wandb, "init", lambda **_: Run())
    tracker = WandbTracker(tmp_path, "project", "name", {})
    tracker.alert(1640, "D wins", "why", True)
    tracker.alert(1640, "x" * 80, "why", False)
    assert sent == [
        ("D wins", "1,640 images: why", wandb.AlertLevel.WARN),
        ("x" * 63, "1,640 images: why", wandb.AlertLevel.INFO),
    ]


def test_tensorboard_gets_alerts_as_text(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trackers = build_trackers(["tensorboard"], tmp_path, 0, "project", "name", {})
    trackers.alert(640, "D wins", "why")
    trackers.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["tensors"] == ["alerts/text_summary"]


def test_going_back_forgets_numbers_and_writes_them_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trackers = build_trackers(["tensorboard"], tmp_path, 0, "project", "name", {})
    for step in (16, 32, 48):
        trackers.scalars(step, {"loss/d": float(step)})
    trackers.rewind(32)
    trackers.alert(48, "Rolled back", "why")
    for step in (48, 64):
        trackers.scalars(step, {"loss/d": -float(step)})
    trackers.close()
    assert [line["loss/d"] for line in lines(tmp_path / "metrics.jsonl")] == [16, 32, -48, -64]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/d")] == [
        (16, 16),
        (32, 32),
        (48, -48),
        (64, -64),
    ]
