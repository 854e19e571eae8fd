"""Where numbers and pictures go: `metrics.jsonl` always, W&B and TensorBoard as mirrors; the x-axis is images seen.

Alerts are for a person to read and go to `alerts.jsonl`, which keeps what it was told before a run went back.

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
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from torch import Tensor

from cgan_dist.errors import UserError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

ALERTS = "alerts.jsonl"
TITLE_LETTERS = 63
"""W&B refuses longer titles of alerts."""

logger = logging.getLogger(__name__)


class Tracker(Protocol):
    """One place for numbers and pictures."""

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Records named numbers at a point of the clock."""

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Records a PNG file."""

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """Records the distribution of each tensor's values."""

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        """Tells a person; `trouble` is false for news that need no action."""

    def rewind(self, images_seen: int) -> None:
        """Forgets numbers beyond this point of the clock, which will be recorded again."""

    def close(self) -> None:
        """Flushes everything."""


class JsonlTracker:
    """`metrics.jsonl`: one object a line, `images` first. The truth; the others mirror it. Beside it, `alerts.jsonl`.

    Args:
        path: the file; lines beyond `images_seen`, and a line cut by a kill, are dropped.
        images_seen: where the run goes on; 0 starts an empty file.
    """

    def __init__(self, path: Path, images_seen: int) -> None:
        self.path, self.alerts = path, path.with_name(ALERTS)
        self.file = self._reopened(images_seen)
        if self.alerts.exists():
            _rewrite(self.alerts, _whole_lines(self.alerts))

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Appends one line and flushes it."""
        self.file.write(json.dumps({"images": images_seen} | dict(values)) + "\n")
        self.file.flush()

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Pictures are files already."""

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """Histograms go to W&B and TensorBoard only."""

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        """Appends one line; what was said before a roll-back or a resume stays."""
        with self.alerts.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"images": images_seen, "alert": title, "text": text}) + "\n")

    def rewind(self, images_seen: int) -> None:
        """Drops the lines beyond."""
        self.file.close()
        self.file = self._reopened(images_seen)

    def close(self) -> None:
        """Closes the file."""
        self.file.close()

    def _reopened(self, images_seen: int) -> TextIO:
        kept = [line for line in _whole_lines(self.path) if json.loads(line)["images"] <= images_seen and images_seen]
        _rewrite(self.path, kept)
        return self.path.open("a", encoding="utf-8")


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

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        """Sends an alert, to e-mail or Slack as the user has set it up there."""
        level = self.wandb.AlertLevel.WARN if trouble else self.wandb.AlertLevel.INFO
        self.run.alert(title[:TITLE_LETTERS], f"{images_seen:,} images: {text}", level=level)

    def rewind(self, images_seen: int) -> None:
        """Nothing: what W&B has it keeps, and shows both."""

    def close(self) -> None:
        """Finishes the run."""
        self.run.finish()


class TensorBoardTracker:
    """Event files below `RUN/tensorboard`, with the same names."""

    def __init__(self, folder: Path, images_seen: int) -> None:
        self.folder = folder / "tensorboard"
        self.writer = self._opened(images_seen)

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

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        """Writes a text."""
        self.writer.add_text("alerts", f"{title}: {text}", images_seen)

    def rewind(self, images_seen: int) -> None:
        """Begins a new event file that takes back what the one before has beyond."""
        self.writer.close()
        self.writer = self._opened(images_seen)

    def close(self) -> None:
        """Closes the file."""
        self.writer.close()

    def _opened(self, images_seen: int) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        # what an earlier process wrote beyond the checkpoint is written again
        return SummaryWriter(str(self.folder), purge_step=images_seen + 1 if images_seen else None)


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

    def alert(self, images_seen: int, title: str, text: str, trouble: bool = True) -> None:
        """See `Tracker`; it is in the log too."""
        level = logging.WARNING if trouble else logging.INFO
        logger.log(level, "%s at %s images: %s", title, f"{images_seen:,}", text)
        for tracker in self.trackers:
            tracker.alert(images_seen, title, text, trouble)

    def rewind(self, images_seen: int) -> None:
        """See `Tracker`."""
        for tracker in self.trackers:
            tracker.rewind(images_seen)

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


def _rewrite(path: Path, lines: Sequence[str]) -> None:
    fresh = path.with_suffix(".tmp")
    fresh.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    fresh.replace(path)


def _kept_id(path: Path) -> str:
    if not path.exists():
        path.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
