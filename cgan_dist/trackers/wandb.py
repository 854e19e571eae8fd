"""Weights & Biases: one run per run folder, whatever happens to the process and to the network."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.files.whole import replacing
from cgan_dist.trackers.base import METRICS, SAMPLES, TrackedRun, Tracker
from cgan_dist.trackers.jsonl import lines_after
from cgan_dist.trackers.wandb_session import Row, last_row, mend, sessions

TITLE_LETTERS = 63
"""W&B refuses longer titles of alerts."""
NOTHING = Row(step=-1, images_seen=-1)

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

logger = logging.getLogger(__name__)


class WandbTracker(Tracker):
    """One W&B run, whose id is kept in `RUN/wandb_id`, so that the next process goes on with it.

    Without an API key, or when the server cannot be reached, it is recorded offline below `RUN/wandb`. The
    environment's WANDB_MODE, WANDB_ENTITY, WANDB_TAGS and WANDB_RUN_GROUP are respected.

    All of one point of the clock is one row. Rows of `metrics.jsonl` that an earlier process wrote and a kill took from
    W&B's files or from the way to the server are sent again, with their pictures; rows that W&B has and that are
    trained again after a kill are not.

    Args:
        run: what is tracked.
        entity: user or team of W&B; null is the default of the account.
        start_seconds: until a server that does not answer means offline.
        finish_seconds: for what is still on its way when the run ends; the rest stays on disk.
    """

    def __init__(
        self, run: TrackedRun, entity: str | None = None, start_seconds: Seconds = 30.0, finish_seconds: Seconds = 60.0
    ) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else a dead server holds up the end of the process
        import wandb

        self.wandb: Any = wandb
        self.id_file, self.rewound_file = run.folder / "wandb_id", run.folder / "wandb_rewound.json"
        self.row: dict[str, Any] = {}
        self.row_images = 0
        is_new = not self.id_file.exists()
        options = {
            "project": run.project,
            "entity": entity,
            "name": run.name,
            "config": dict(run.config),
            "dir": str(run.folder),
            "id": self._kept_id(),
            "settings": self.wandb.Settings(init_timeout=start_seconds, finish_timeout=finish_seconds),
        }
        on_disk = NOTHING if is_new else self._on_disk(run)
        self.run: Any = self._started(options)
        self.run.define_metric("images", hidden=True)
        self.run.define_metric("*", step_metric="images")
        if self.run.offline:
            self.next_step: int | None = on_disk.step + 1  # a session would count from 0 again
            self.recorded = on_disk.images_seen
            logger.info("W&B records offline; to upload: wandb sync %s", run.folder / "wandb" / "offline-run-*")
        else:
            self.next_step, self.recorded = None, self._on_server()
        self._catch_up(run)

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Logs one row, with what has come before at the same point of the clock."""
        self._gather(images_seen, values)
        self._send()

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Adds an image to the row."""
        self._gather(images_seen, {f"{SAMPLES}/{name}": self.wandb.Image(str(path))})

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """Adds a histogram per tensor to the row."""
        found = {name: self.wandb.Histogram(value.float().cpu().numpy()) for name, value in values.items()}
        self._gather(images_seen, found)

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        """Sends an alert, to e-mail or Slack as the user has set it up there."""
        level = self.wandb.AlertLevel.WARN if trouble else self.wandb.AlertLevel.INFO
        self.run.alert(title[:TITLE_LETTERS], f"{images_seen:,} images: {text}", level=level)

    def rewind(self, images_seen: int) -> None:
        """Keeps what W&B has: it shows both, what was trained before and what is trained now."""
        self._send()
        self.recorded = min(self.recorded, images_seen)
        rewound = Row(step=self.run.step, images_seen=images_seen)
        with replacing(self.rewound_file) as partial:
            partial.write_text(json.dumps(rewound._asdict()) + "\n", encoding="utf-8")

    def close(self, failed: bool) -> None:
        """Finishes the run, as failed or not."""
        self._send()
        self.run.finish(exit_code=int(failed))

    def _started(self, options: Mapping[str, Any]) -> Any:
        mode = os.environ.get("WANDB_MODE")
        if mode is None:
            has_key = self.wandb.login(prompt=False, verify=False)  # whether the server knows it turns out below
            mode = "online" if has_key else "offline"
        if mode != "online":
            return self.wandb.init(mode=mode, **options)
        try:
            return self.wandb.init(mode="online", resume="allow", **options)
        except self.wandb.errors.Error as error:
            logger.warning("W&B cannot be reached (%s); recording offline.", str(error).split("\n")[0])
            self.wandb.teardown()  # W&B's process still believes that the run is in use
            return self.wandb.init(mode="offline", **options)

    def _kept_id(self) -> str:
        if not self.id_file.exists():
            with replacing(self.id_file) as partial:
                partial.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
        return read_text(self.id_file, RECORD_BYTES).strip()

    def _on_disk(self, run: TrackedRun) -> Row:
        """The last row of earlier sessions, mended; where they are gone or unreadable, all is taken to be recorded."""
        folder, run_id = run.folder / "wandb", self._kept_id()
        all_there = Row(step=-1, images_seen=run.images_seen)
        try:
            if not (files := sessions(folder, run_id)):  # `wandb clean` removes what was uploaded
                return all_there
            for path in files:
                mend(path)
            return self._unless_rewound(last_row(folder, run_id) or NOTHING)
        except Exception as error:  # protobuf has its own, and the format is W&B's own affair
            logger.debug("Earlier sessions of W&B cannot be read: %s", error)
            return all_there

    def _on_server(self) -> int:
        """Images seen of the last row that the server has."""
        summary = self.run.summary
        row = Row(int(summary.get("_step", -1)), int(summary.get("images", -1)))
        return self._unless_rewound(row).images_seen

    def _unless_rewound(self, row: Row) -> Row:
        """Where the run went back after the row, and nothing newer was recorded, it counts from there."""
        if not self.rewound_file.exists():
            return row
        back = Row(**json.loads(read_text(self.rewound_file, RECORD_BYTES)))
        return row._replace(images_seen=back.images_seen) if row.step < back.step else row

    def _catch_up(self, run: TrackedRun) -> None:
        """Sends what is in the run folder and not recorded; a run that begins draws its first grid anew."""
        pictures: dict[int, dict[str, Path]] = {}
        for path in (run.folder / SAMPLES).glob("*-*.png"):
            name, _, number = path.stem.rpartition("-")
            pictures.setdefault(int(number) if number.isdigit() else -1, {})[name] = path
        lines = dict(lines_after(run.folder / METRICS, self.recorded))
        missing = sorted(
            images for images in lines.keys() | pictures.keys() if self.recorded < images <= run.images_seen
        )
        if not missing or not run.images_seen:
            return
        for images in missing:
            for name, path in pictures.get(images, {}).items():
                with contextlib.suppress(OSError):  # a damaged picture is done without
                    self.picture(images, name, path)
            self.scalars(images, lines.get(images, {}))
        logger.info("W&B gets %d rows of this run that it had not kept.", len(missing))
        if not self.run.offline and any((run.folder / "wandb").glob(f"offline-run-*-{self._kept_id()}")):
            logger.info("Do not sync this run's offline sessions any more: their rows would be there twice.")

    def _gather(self, images_seen: int, values: Mapping[str, Any]) -> None:
        if self.row and self.row_images != images_seen:
            self._send()
        self.row |= values
        self.row_images = images_seen

    def _send(self) -> None:
        row, self.row = self.row, {}
        if not row or self.row_images <= self.recorded:
            return
        step, self.next_step = self.next_step, None  # it counts on by itself from there
        self.run.log({"images": self.row_images} | row, step=step, commit=True)
