"""Event files for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from cgan_dist.trackers.base import TrackedRun, Tracker
from cgan_dist.trackers.panels import SECTIONS

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardTracker(Tracker):
    """Event files below `RUN/tensorboard`, with the names of `metrics.jsonl`.

    Args:
        run: whose event files they are.
    """

    def __init__(self, run: TrackedRun) -> None:
        self.folder = run.folder / "tensorboard"
        self.writer = self._opened(run.images_seen)

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Writes each number."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, images_seen)

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Writes an image."""
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            self.writer.add_image(f"samples/{name}", np.asarray(image), images_seen, dataformats="HWC")

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

    def close(self, failed: bool) -> None:
        """Closes the file."""
        self.writer.close()

    def _opened(self, images_seen: int) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        # what an earlier process wrote beyond the checkpoint is written again
        writer = SummaryWriter(str(self.folder), purge_step=images_seen + 1 if images_seen else None)
        writer.add_custom_scalars(
            {
                section.title: {panel.title: ["Multiline", [panel.names]] for panel in section.panels}
                for section in SECTIONS
                if section.panels
            }
        )
        return writer
