"""Where numbers and pictures go: `metrics.jsonl` always, W&B and TensorBoard as mirrors; the x-axis is images seen.

Only the main process builds trackers. No other file imports wandb.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from cgan_dist.errors import UserError

logger = logging.getLogger(__name__)


class Tracker(Protocol):
    """One place for numbers and pictures."""

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Records named numbers at a point of the clock."""

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Records a PNG file."""

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """Records the distribution of each tensor's values."""

    def close(self) -> None:
        """Flushes everything."""


class Meter:
    """Averages scalars between two log lines; sums stay on the device until asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Adds detached scalars."""
        for name, value in values.items():
            value = value.double() if value.device.type == "cpu" else value.float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, Tensor]:
        """Returns the mean of each scalar since the last `reset`, on the device."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    def reset(self) -> None:
        """Starts a new interval."""
        self.sums.clear()
        self.counts.clear()

    def state(self, means: Mapping[str, float]) -> dict[str, Any]:
        """Returns the open interval as JSON-ready values, given its `means` over ranks."""
        return {"means": dict(means), "counts": dict(self.counts)}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Reopens an interval that `state` saved."""
        self.counts = dict(state["counts"])
        kind = torch.float64 if device.type == "cpu" else torch.float32
        self.sums = {
            name: torch.tensor(mean * self.counts[name], dtype=kind, device=device)
            for name, mean in state["means"].items()
        }


class JsonlTracker:
    """`metrics.jsonl`: one object a line, `images` first. The truth; the others mirror it.

    Args:
        path: the file; lines beyond `images_seen`, and a line cut by a kill, are dropped.
        images_seen: where the run goes on; 0 starts an empty file.
    """

    def __init__(self, path: Path, images_seen: int) -> None:
        kept = [line for line in _whole_lines(path) if json.loads(line)["images"] <= images_seen and images_seen]
        fresh = path.with_suffix(".tmp")
        fresh.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        fresh.replace(path)
        self.file = path.open("a", encoding="utf-8")

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Appends one line and flushes it."""
        self.file.write(json.dumps({"images": images_seen} | dict(values)) + "\n")
        self.file.flush()

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Pictures are files already."""

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """Histograms go to W&B and TensorBoard only."""

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


class WandbTracker:
    """One W&B run per run folder, whatever happens to the process: its id is kept in `wandb_id`.

    Without an API key, or when the server cannot be reached, the run is recorded offline below `RUN/wandb`;
    `wandb sync RUN/wandb/offline-run-*` uploads it. The environment's WANDB_MODE is respected.

    Args:
        folder: the run folder.
        project: of W&B.
        name: of the run.
        config: shown on the run's page.
    """

    def __init__(self, folder: Path, project: str, name: str, config: Mapping[str, Any]) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        self.wandb: Any = wandb
        mode = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False) else "offline")
        options = {
            "project": project,
            "name": name,
            "config": dict(config),
            "dir": str(folder),
            "id": _kept_id(folder / "wandb_id"),
            "resume": "allow" if mode == "online" else None,  # W&B ignores it offline, with a warning
        }
        try:
            self.run = self.wandb.init(mode=mode, **options)
        except wandb.errors.Error as error:
            logger.warning("W&B cannot be reached (%s); recording offline.", error)
            mode, self.run = "offline", self.wandb.init(mode="offline", **options | {"resume": None})
        self.run.define_metric("*", step_metric="images")
        if mode == "offline":
            logger.info("W&B records offline; upload with: wandb sync %s", folder / "wandb" / "offline-run-*")

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Logs one row."""
        self.run.log({"images": images_seen} | dict(values))

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Logs an image."""
        self.run.log({"images": images_seen, f"samples/{name}": self.wandb.Image(str(path))})

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """Logs a histogram per tensor."""
        found = {name: self.wandb.Histogram(value.float().cpu().numpy()) for name, value in values.items()}
        self.run.log({"images": images_seen} | found)

    def close(self) -> None:
        """Finishes the run."""
        self.run.finish()


class TensorBoardTracker:
    """Event files below `RUN/tensorboard`, with the same names."""

    def __init__(self, folder: Path, images_seen: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # what an earlier process wrote beyond the checkpoint is written again
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=images_seen + 1 if images_seen else None)

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Writes each number."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, images_seen)

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Writes an image."""
        import numpy as np
        from PIL import Image

        self.writer.add_image(f"samples/{name}", np.asarray(Image.open(path)), images_seen, dataformats="HWC")

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """Writes a histogram per tensor."""
        for name, value in values.items():
            self.writer.add_histogram(name, value.float().cpu(), images_seen)

    def close(self) -> None:
        """Closes the file."""
        self.writer.close()


class Trackers:
    """All the trackers of a run, as one."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = list(trackers)

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """See `Tracker`."""
        for tracker in self.trackers:
            tracker.scalars(images_seen, values)

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """See `Tracker`."""
        for tracker in self.trackers:
            tracker.picture(images_seen, name, path)

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """See `Tracker`."""
        for tracker in self.trackers:
            tracker.histograms(images_seen, values)

    def close(self) -> None:
        """See `Tracker`."""
        for tracker in self.trackers:
            tracker.close()


def check_trackers(names: Sequence[str]) -> None:
    """Checks that what the trackers need is installed.

    Raises:
        UserError: naming the extra to install.
    """
    if "tensorboard" in names and importlib.util.find_spec("tensorboard") is None:
        raise UserError("tracking.trackers: tensorboard is not installed: pip install 'cgan_dist[tensorboard]'.")


def build_trackers(
    names: Sequence[str], folder: Path, images_seen: int, project: str, run_name: str, config: Mapping[str, Any]
) -> Trackers:
    """Opens `metrics.jsonl` and the named trackers; only the main process calls it, after a resume is decided."""
    trackers: list[Tracker] = [JsonlTracker(folder / "metrics.jsonl", images_seen)]
    if "wandb" in names:
        trackers.append(WandbTracker(folder, project, run_name, config))
    if "tensorboard" in names:
        trackers.append(TensorBoardTracker(folder, images_seen))
    return Trackers(trackers)


def _whole_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line for line in lines[:-1] if line]  # what follows the last newline was cut by a kill


def _kept_id(path: Path) -> str:
    if not path.exists():
        path.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
