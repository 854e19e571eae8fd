"""How long a run will take, said once, as soon as it can be known."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

KNOWN_AFTER_SECONDS = 30.0
"""Of iterations, the first one left out: it warms up, and compiles where that is asked for."""

logger = logging.getLogger(__name__)


class Pace:
    """Listens to the clock of a run. Nothing waits for a device: the host is never far ahead of it by then.

    Args:
        total_images: where the run ends.
        now: reads seconds.
    """

    def __init__(self, total_images: int, now: Callable[[], float] = time.monotonic) -> None:
        self.total_images = total_images
        self.now = now
        self.start: tuple[float, int] | None = None
        self.is_known = False

    def beat(self, images_seen: int) -> None:
        """Takes note of an iteration that has just been carried out."""
        if self.is_known:
            return
        if self.start is None:
            self.start = self.now(), images_seen
            return
        seconds, images = self.now() - self.start[0], images_seen - self.start[1]
        if seconds < KNOWN_AFTER_SECONDS or images <= 0:  # less than none: it went back to a checkpoint
            return
        self.is_known = True
        if (left := self.total_images - images_seen) > 0:
            rate = images / seconds
            logger.info("At this speed, %s images/s, the run takes another %s.", rounded(rate), duration(left / rate))


def rounded(rate: float) -> str:
    """A rate with three digits or more: 5.48, 98.5, 1,234."""
    return f"{rate:,.{max(0, 2 - len(str(int(rate))) + 1)}f}"


def duration(seconds: float) -> str:
    """A length of time as people say it, with two digits: 40 s, 58 min, 7.5 h, 83 h, 21 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if (minutes := seconds / 60) < 100:
        return f"{minutes:.0f} min"
    if (hours := minutes / 60) < 100:
        return f"{hours:.1f} h" if hours < 9.95 else f"{hours:.0f} h"
    return f"{hours / 24:,.1f} days" if hours < 239 else f"{hours / 24:,.0f} days"
