"""What a tracker is told, and what it is told about the run when it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

METRICS = "metrics.jsonl"
SAMPLES = "samples"


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker may know of its run.

    Attributes:
        folder: the run folder; `metrics.jsonl` in it is complete up to `images_seen` when a tracker is built.
        images_seen: where the run begins or goes on; what was recorded beyond will be recorded again.
        project: `tracking.project`.
        name: `run.name`.
        config: the resolved config, JSON-ready.
    """

    folder: Path
    images_seen: int
    project: str
    name: str
    config: Mapping[str, Any]


class Tracker:
    """One place for numbers and pictures; a tracker overrides what it has a use for.

    Only the main process builds and calls trackers. Of one point of the clock, pictures and histograms come before the
    numbers. A mirror may raise: what it raises is logged, and training goes on.
    """

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Records named numbers at a point of the clock."""

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """Records a PNG file, which stays where it is."""

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """Records the distribution of each tensor's values."""

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        """Tells a person; `trouble` is false for news that need no action."""

    def rewind(self, images_seen: int) -> None:
        """Forgets numbers beyond this point of the clock: the run went back, and goes on from there by other draws."""

    def close(self, failed: bool) -> None:
        """Flushes everything; `failed` says that the run ends with an error."""
