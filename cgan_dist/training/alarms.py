"""When to call a person: D wins, samples of a class collapse, training slows to a crawl.

Nothing is saved: a run that goes on from a checkpoint counts anew, and may say again what is still the case.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgan_dist.config.watching import GuardConfig

ACCURACY = "d/accuracy"
VARIANCE_RATIO = "collapse/variance_ratio"
SPEED = "perf/images_per_second"
SPEED_LINES = 20
FEWEST_LINES = 5
"""Log lines that must be known before one can be called slow."""
SLOW = 0.1
COLLAPSED_GRIDS = 2
"""Grids in a row that must show a collapse: the variance of a few samples is a noisy number."""
BLANK = 255


class Alert(NamedTuple):
    """What a person is told; W&B bounds the title to 63 characters."""

    title: str
    text: str


class Alarms:
    """All alarms of a run; only the main process needs them.

    Args:
        config: their bounds; those that are null say nothing.
    """

    def __init__(self, config: GuardConfig) -> None:
        self.dominance = Dominance(config.alarm_d_accuracy, config.alarm_lines)
        self.stall = Stall()
        self.collapse = Collapse(config.alarm_variance)

    def of_line(self, values: Mapping[str, float]) -> list[Alert]:
        """Looks at one line of the log."""
        found = [self.dominance.look(values.get(ACCURACY)), self.stall.look(values.get(SPEED))]
        return [alert for alert in found if alert is not None]

    def of_grid(self, ratios: Mapping[int, float], names: Sequence[str]) -> list[Alert]:
        """Looks at one grid of samples, see `Collapse.look`."""
        alert = self.collapse.look(ratios, names)
        return [] if alert is None else [alert]


class Dominance:
    """D knows nearly every real image from its fake, so that G may have nothing left to learn from.

    Args:
        bound: of D's accuracy, the share of pairs in which the real logit is the greater; null for none.
        lines: of the log, in a row, that must reach it.
    """

    def __init__(self, bound: float | None, lines: int) -> None:
        self.bound, self.lines, self.count = bound, lines, 0

    def look(self, accuracy: float | None) -> Alert | None:
        """Takes the accuracy of one line, None if it has none; alerts once until one is below the bound."""
        if accuracy is None or self.bound is None or math.isnan(accuracy):
            return None
        self.count = self.count + 1 if accuracy >= self.bound else 0
        if self.count != self.lines:
            return None
        return Alert(
            "The discriminator wins",
            f"{ACCURACY} has been at or above {self.bound:g} for {self.lines} lines of the log "
            "(guard.alarm_d_accuracy); G may get no more gradients of use. Give D a penalty or a higher weight of it "
            "(loss.penalties), a lower rate (optim.discriminator.lr), or harder images (data.augment).",
        )


class Stall:
    """Images per second fall below a tenth of the median of the lines before."""

    def __init__(self) -> None:
        self.speeds: deque[float] = deque(maxlen=SPEED_LINES)
        self.slow = False

    def look(self, speed: float | None) -> Alert | None:
        """Takes the speed of one line, None if it has none; alerts once until it is back. Slow lines set no median."""
        if speed is None or math.isnan(speed):
            return None
        was_slow, usual = self.slow, median(self.speeds) if self.speeds else 0.0
        self.slow = len(self.speeds) >= FEWEST_LINES and speed < SLOW * usual
        if not self.slow:
            self.speeds.append(speed)
        if was_slow or not self.slow:
            return None
        return Alert(
            "Training has slowed down",
            f"{speed:.3g} images per second, usually {usual:.3g}. perf/data_wait near 1 means that data arrives too "
            "slowly (storage, data.workers); else another program may be using the device.",
        )


class Collapse:
    """The samples of a class are nearly the same image.

    Args:
        bound: of the variance of samples as a share of that of real images; null for none.
    """

    def __init__(self, bound: float | None) -> None:
        self.bound = bound
        self.counts: Counter[int] = Counter()

    def look(self, ratios: Mapping[int, float], names: Sequence[str]) -> Alert | None:
        """Takes the ratios of one grid; alerts once for a column until it is above the bound again.

        Args:
            ratios: from `variance_ratio`.
            names: of all columns.
        """
        if self.bound is None:
            return None
        self.counts = Counter({column: self.counts[column] + 1 for column, r in ratios.items() if r < self.bound})
        fresh = [column for column, count in self.counts.items() if count == COLLAPSED_GRIDS]
        if not fresh:
            return None
        told = ", ".join(f"{names[column]!r} ({ratios[column]:.2g})" for column in fresh)
        return Alert(
            "Samples have collapsed",
            f"In {COLLAPSED_GRIDS} grids in a row samples varied less than {self.bound:g} times as much as real images "
            f"(guard.alarm_variance): {told}. Look at samples/; an earlier checkpoint may be the better one.",
        )


def variance_ratio(fake_cells: NDArray[np.uint8], real_cells: NDArray[np.uint8]) -> dict[int, float]:
    """Compares how much the rows of each column differ, samples against real images.

    Variances are unbiased (over rows - 1), so the numbers of rows need not be the same, and averaged over pixels.

    Args:
        fake_cells: (R, N, H, W, C) uint8, R samples for each of N labels; every one with its own z.
        real_cells: (S, N, H, W, C) uint8, white where there are too few real images; these cells are left out. C may
            differ: a grey image repeated to three channels varies as much as itself.

    Returns:
        Column to variance of its fakes / variance of its reals. Columns with fewer than two images, and those whose
        reals are all the same, are left out.
    """
    ratios: dict[int, float] = {}
    for column in range(fake_cells.shape[1]):
        real = real_cells[:, column]
        real = real[(real != BLANK).any(axis=tuple(range(1, real.ndim)))]
        if min(len(real), len(fake_cells)) < 2:
            continue
        if (reals := _variance(real)) > 0:
            ratios[column] = _variance(fake_cells[:, column]) / reals
    return ratios


def _variance(images: NDArray[Any]) -> float:
    return float(images.astype(np.float64).var(axis=0, ddof=1).mean())
