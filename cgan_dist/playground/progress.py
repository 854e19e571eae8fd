"""What a run folder tells of its training: curves, grids over time, alerts. Nothing outside of the folder is read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from PIL import Image

from cgan_dist.bounds import METRICS_BYTES, read_bytes
from cgan_dist.errors import UserError, close_match
from cgan_dist.grid import open_grid
from cgan_dist.trackers.base import METRICS, SAMPLES
from cgan_dist.trackers.jsonl import ALERTS, lines_after

GRID = re.compile(r"([a-z_]+)-(\d{12})\.png", re.ASCII)
POINTS = 400
"""Of one curve; of more, evenly chosen ones."""
MAX_KEYS = 12
MAX_ALERTS = 50


class Point(NamedTuple):
    """One point of a curve."""

    images_seen: int
    value: float
    key: str


class Grid(NamedTuple):
    """A picture that training drew, and when."""

    images_seen: int
    picture: Image.Image


class Progress:
    """Reads a run folder as it is now; a run that is still training can be looked at.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def inside(self, relative: str) -> Path:
        """Brings a path below the run folder to its real place.

        Raises:
            UserError: if it is absolute, goes up, or leads out of the folder through a link.
        """
        asked = PurePath(relative)
        is_plain = not (asked.is_absolute() or ".." in asked.parts or "\0" in relative)
        place = Path(os.path.realpath(self.folder / asked)) if is_plain else None
        if place is None or not place.is_relative_to(self.folder):
            raise UserError(f"{relative}: outside of the run folder; expected a path within {self.folder.name}.")
        return place

    def keys(self) -> list[str]:
        """Names of all numbers that were logged, in alphabetical order."""
        return sorted({name for _, values in self._lines() for name in values})

    def curves(self, keys: Sequence[str]) -> list[Point]:
        """Returns the points of some curves, by name and images seen.

        Raises:
            UserError: if there are too many, or one was never logged.
        """
        if len(keys) > MAX_KEYS:
            raise UserError(f"curves: found {len(keys)}; expected at most {MAX_KEYS}.")
        lines, known = self._lines(), self.keys()
        for key in keys:
            if key not in known:
                raise UserError(f"curves: found {key!r}; {METRICS} has no such number.{close_match(str(key), known)}")
        return [
            point
            for key in keys
            for point in _thinned([Point(images, values[key], key) for images, values in lines if key in values])
        ]

    def grids(self) -> dict[str, list[int]]:
        """Kinds of grids, such as `fixed_z`, and the images seen of each, in order."""
        found: dict[str, list[int]] = {}
        folder = self.inside(SAMPLES)
        for name in sorted(os.listdir(folder)) if folder.is_dir() else []:
            if match := GRID.fullmatch(name):
                found.setdefault(match[1], []).append(int(match[2]))
        return found

    def grid(self, kind: str, images_seen: float) -> Grid:
        """Reads the grid of a kind that is nearest to a number of images seen.

        Raises:
            UserError: if there is none of that kind, or it cannot be read.
        """
        grids = self.grids()
        if kind not in grids:
            raise UserError(f"grids: found {kind!r}; expected one of {', '.join(grids) or 'none, there are no grids'}.")
        nearest = min(grids[kind], key=lambda images: abs(images - images_seen))
        return Grid(nearest, self.picture(f"{SAMPLES}/{kind}-{nearest:012}.png"))

    def picture(self, relative: str) -> Image.Image:
        """Reads a PNG below the run folder, as RGB.

        Raises:
            UserError: if it is none.
        """
        path = self.inside(relative)
        try:
            with open_grid(path) as picture:
                return picture.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise UserError(
                f"{path.name}: cannot be read as a picture; it is damaged or just being written."
            ) from error

    def alerts(self) -> list[dict[str, Any]]:
        """The newest alerts, newest first: `images`, `alert`, `text`. A line that is none is passed over."""
        path = self.inside(ALERTS)
        content = read_bytes(path, METRICS_BYTES) if path.is_file() else b""
        lines = content.decode("utf-8", errors="replace").splitlines()
        found = [alert for line in lines if (alert := _alert(line)) is not None]
        return found[: -MAX_ALERTS - 1 : -1]

    def _lines(self) -> list[tuple[int, dict[str, float]]]:
        path = self.inside(METRICS)
        try:
            return list(lines_after(path, -1))
        except (OSError, UserError) as error:
            raise UserError(f"{METRICS}: has a line that cannot be read; expected objects with `images`.") from error


def _alert(line: str) -> dict[str, Any] | None:
    try:
        alert = json.loads(line)
        return {"images": int(alert["images"]), "alert": str(alert["alert"]), "text": str(alert["text"])}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _thinned(points: list[Point]) -> list[Point]:
    """Some points, evenly chosen, the last one among them."""
    step = -(-len(points) // POINTS)
    return points[::-1][:: step or 1][::-1]
