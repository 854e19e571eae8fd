from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from cgan_dist.trackers.base import TrackedRun
from cgan_dist.trackers.panels import SECTIONS
from cgan_dist.trackers.tensorboard import TensorBoardTracker


def opened(folder: Path, images_seen: int) -> TensorBoardTracker:
    return TensorBoardTracker(TrackedRun(folder, images_seen, "project", "name", {}))


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def points(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(name)]


def test_there_are_no_double_points_after_a_kill(tmp_path: Path) -> None:
    for resume_at, steps in ((0, [16, 32, 48]), (32, [48, 64])):
        tracker = opened(tmp_path, resume_at)
        for step in steps:
            tracker.scalars(step, {"loss/d": float(step)})
        tracker.close(failed=False)
    assert points(tmp_path, "loss/d") == [(16, 16), (32, 32), (48, 48), (64, 64)]


def test_going_back_forgets_numbers_and_writes_them_once(tmp_path: Path) -> None:
    tracker = opened(tmp_path, 0)
    for step in (16, 32, 48):
        tracker.scalars(step, {"loss/d": float(step)})
    tracker.rewind(32)
    for step in (48, 64):
        tracker.scalars(step, {"loss/d": -float(step)})
    tracker.close(failed=False)
    assert points(tmp_path, "loss/d") == [(16, 16), (32, 32), (48, -48), (64, -64)]


def test_names_are_those_of_the_metrics_file(tmp_path: Path) -> None:
    picture = tmp_path / "grid.png"
    Image.new("RGB", (4, 4)).save(picture)
    tracker = opened(tmp_path, 0)
    tracker.scalars(640, {"loss/d": 1.5})
    tracker.picture(640, "random_z", picture)
    tracker.histograms(640, {"weights/generator/bias": torch.randn(10)})
    tracker.alert(640, "D wins", "why", True)
    tracker.close(failed=False)
    tags = read(tmp_path).Tags()
    assert points(tmp_path, "loss/d") == [(640, 1.5)]
    assert tags["images"] == ["samples/random_z"]
    assert tags["histograms"] == ["weights/generator/bias"]
    assert "alerts/text_summary" in tags["tensors"]


@pytest.mark.parametrize("resume_at", [0, 32])
def test_the_custom_scalars_have_the_sections_of_the_dashboard(tmp_path: Path, resume_at: int) -> None:
    opened(tmp_path, resume_at).close(failed=False)
    [event] = read(tmp_path).Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    shown = {section.title: [chart.title for chart in section.chart] for section in layout.category}
    assert shown == {section.title: [panel.title for panel in section.panels] for section in SECTIONS if section.panels}
    assert list(layout.category[0].chart[0].multiline.tag) == ["^loss/[dg]$"]
