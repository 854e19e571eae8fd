"""All the trackers of a run, as one: `metrics.jsonl` must be written, a mirror of it may fail."""

from __future__ import annotations

import importlib.util
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from cgan_dist.config.values import Named
from cgan_dist.errors import UserError
from cgan_dist.trackers import TRACKERS
from cgan_dist.trackers.base import TrackedRun, Tracker
from cgan_dist.trackers.jsonl import JsonlTracker

WHERE = "tracking.trackers"
FAILURES_IN_A_ROW = 3
"""After so many calls of a kind that failed, a mirror gets no more of that kind."""

logger = logging.getLogger(__name__)


class Mirror:
    """A tracker whose failures cost nothing but what it would have shown.

    Args:
        name: for the log.
        build: makes the tracker; what it raises means that there is none.

    Attributes:
        failures: how many calls have failed.
    """

    def __init__(self, name: str, build: Callable[[], Tracker]) -> None:
        self.name, self.failures = name, 0
        self.in_a_row: Counter[str] = Counter()
        self.tracker: Tracker | None = None
        try:
            self.tracker = build()
        except UserError:
            raise
        except Exception as error:  # whatever it is: it must not cost a training run
            self._failed("to start", error)

    def call(self, kind: str, do: Callable[[Tracker], None]) -> None:
        """Lets the tracker do something, if that kind of thing has not failed too often.

        Args:
            kind: what fails by itself, e.g. `histograms`.
            do: calls the tracker.
        """
        if self.tracker is None or self.in_a_row[kind] == FAILURES_IN_A_ROW:
            return
        try:
            do(self.tracker)
        except Exception as error:  # whatever it is: it must not cost a training run
            self._failed(f"at {kind}", error)
            self.in_a_row[kind] += 1
            if self.in_a_row[kind] == FAILURES_IN_A_ROW:
                logger.warning("Tracker %s gets no more %s: %d failed in a row.", self.name, kind, FAILURES_IN_A_ROW)
        else:
            self.in_a_row[kind] = 0

    def close(self, failed: bool) -> None:
        """Closes the tracker, and says how often it has failed."""
        self.call("close", lambda tracker: tracker.close(failed))
        if self.failures > 1:
            logger.warning("Tracker %s failed %d times.", self.name, self.failures)

    def _failed(self, at: str, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            logger.warning(
                "Tracker %s failed %s (%s: %s); training and metrics.jsonl go on.",
                self.name,
                at,
                type(error).__name__,
                error,
            )
        logger.debug("Tracker %s, failure %d", self.name, self.failures, exc_info=error)


class Trackers:
    """All the trackers of a run.

    Args:
        truth: must succeed.
        mirrors: may fail.
    """

    def __init__(self, truth: Tracker, mirrors: Sequence[Mirror] = ()) -> None:
        self.truth, self.mirrors = truth, list(mirrors)

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._all("scalars", lambda tracker: tracker.scalars(images_seen, values))

    def picture(self, images_seen: int, name: str, path: Path) -> None:
        """See `Tracker`."""
        self._all("pictures", lambda tracker: tracker.picture(images_seen, name, path))

    def histograms(self, images_seen: int, values: Mapping[str, Tensor]) -> None:
        """See `Tracker`."""
        self._all("histograms", lambda tracker: tracker.histograms(images_seen, values))

    def alert(self, images_seen: int, title: str, text: str, trouble: bool = True) -> None:
        """See `Tracker`; it is in the log too."""
        level = logging.WARNING if trouble else logging.INFO
        logger.log(level, "%s at %s images: %s", title, f"{images_seen:,}", text)
        self._all("alerts", lambda tracker: tracker.alert(images_seen, title, text, trouble))

    def rewind(self, images_seen: int) -> None:
        """See `Tracker`."""
        self._all("returns", lambda tracker: tracker.rewind(images_seen))

    def close(self, failed: bool = False) -> None:
        """See `Tracker`."""
        self.truth.close(failed)
        for mirror in self.mirrors:
            mirror.close(failed)

    def _all(self, kind: str, do: Callable[[Tracker], None]) -> None:
        do(self.truth)
        for mirror in self.mirrors:
            mirror.call(kind, do)


def check_trackers(trackers: Sequence[Named]) -> None:
    """Checks names and arguments, and that what the trackers need is installed, before anything starts.

    Raises:
        UserError: naming the close match, or the extra to install.
    """
    names = [tracker.name for tracker in trackers]
    for number, tracker in enumerate(trackers):
        if names.index(tracker.name) < number:
            raise UserError(f"{WHERE}: found {tracker.name} twice; expected each tracker once.")
        TRACKERS.check(tracker.name, f"{WHERE}.{number}", tracker.args, interface=["run"])
        if tracker.name == "tensorboard" and importlib.util.find_spec("tensorboard") is None:
            raise UserError(f"{WHERE}: tensorboard is not installed: pip install 'cgan_dist[tensorboard]'.")


def build_trackers(
    trackers: Sequence[Named], folder: Path, images_seen: int, project: str, run_name: str, config: Mapping[str, Any]
) -> Trackers:
    """Opens `metrics.jsonl` and the mirrors; only the main process calls it, after a resume is decided."""
    truth = JsonlTracker(folder, images_seen)
    run = TrackedRun(folder, images_seen, project, run_name, config)
    return Trackers(truth, [_mirror(f"{WHERE}.{number}", named, run) for number, named in enumerate(trackers)])


def _mirror(where: str, named: Named, run: TrackedRun) -> Mirror:
    return Mirror(named.name, lambda: TRACKERS.build(named.name, where, named.args, run=run))
