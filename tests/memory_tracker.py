"""Trackers of a user's own, for tests that name them in a config."""

from __future__ import annotations

from collections.abc import Mapping

from cgan_dist.trackers.base import TrackedRun, Tracker


class Memory(Tracker):
    """Remembers what it is told; raises while `broken`, or from `breaks_at` images on."""

    last: Memory

    def __init__(self, run: TrackedRun, label: str = "mine", breaks_at: int | None = None) -> None:
        self.run, self.label, self.breaks_at = run, label, breaks_at
        self.calls: list[tuple[object, ...]] = []
        self.broken = False
        Memory.last = self

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        if self.broken or (self.breaks_at is not None and images_seen >= self.breaks_at):
            raise ConnectionError("the network is gone")
        self.calls.append(("scalars", images_seen, dict(values)))

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        self.calls.append(("alert", title, trouble))

    def rewind(self, images_seen: int) -> None:
        self.calls.append(("rewind", images_seen))

    def close(self, failed: bool) -> None:
        self.calls.append(("close", failed))


class Unbuildable(Tracker):
    """A tracker that is not to be had."""

    def __init__(self, run: TrackedRun) -> None:
        raise RuntimeError("no license")
