"""`metrics.jsonl`: one object a line, `images` first. The truth; others mirror it. Beside it, `alerts.jsonl`."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from cgan_dist.errors import UserError, storage_error
from cgan_dist.trackers.base import METRICS, Tracker

ALERTS = "alerts.jsonl"


class JsonlTracker(Tracker):
    """Two files of lines, flushed with every line.

    Args:
        folder: the run folder.
        images_seen: where the run goes on: lines beyond it, and a line cut by a kill, are dropped. 0 starts an empty
            file of metrics. Alerts stay, because they tell what happened before a run went back.

    Raises:
        UserError: where a file cannot be written or read, e.g. because the disk is full.
    """

    def __init__(self, folder: Path, images_seen: int) -> None:
        self.path, self.alerts = folder / METRICS, folder / ALERTS
        self.file = self._reopened(images_seen)
        if self.alerts.exists():
            with _for_a_person(self.alerts):
                _rewrite(self.alerts, _whole_lines(self.alerts))

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Appends one line; what is not finite becomes null, for which JSON has a word."""
        line = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with _for_a_person(self.path):
            _append(self.file, {"images": images_seen} | line)

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        """Appends one line."""
        with _for_a_person(self.alerts), self.alerts.open("a", encoding="utf-8") as file:
            _append(file, {"images": images_seen, "alert": title, "text": text})

    def rewind(self, images_seen: int) -> None:
        """Drops the lines beyond."""
        self.file.close()
        self.file = self._reopened(images_seen)

    def close(self, failed: bool) -> None:
        """Closes the file."""
        with contextlib.suppress(OSError):  # every line was flushed, or its error told
            self.file.close()

    def _reopened(self, images_seen: int) -> TextIO:
        with _for_a_person(self.path):
            kept = [
                line for line in _whole_lines(self.path) if images_seen and json.loads(line)["images"] <= images_seen
            ]
            _rewrite(self.path, kept)
            return self.path.open("a", encoding="utf-8")


def lines_after(path: Path, images_seen: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Reads the lines of a `metrics.jsonl` beyond a point of the clock: images seen, and the finite values by name."""
    for line in _whole_lines(path):
        values = json.loads(line)
        images = values.pop("images")
        if images > images_seen:
            yield images, {name: value for name, value in values.items() if value is not None}


def _append(file: TextIO, value: Mapping[str, Any]) -> None:
    file.write(json.dumps(value) + "\n")
    file.flush()


def _whole_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line for line in lines[:-1] if line]  # what follows the last newline was cut by a kill


def _rewrite(path: Path, lines: Sequence[str]) -> None:
    fresh = path.with_suffix(".tmp")
    fresh.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    fresh.replace(path)


@contextlib.contextmanager
def _for_a_person(path: Path) -> Iterator[None]:
    """Turns what the system or the file says into an error for the user."""
    try:
        yield
    except OSError as error:
        raise storage_error(
            error,
            f"{path}: cannot be written ({error.strerror}). Make room or mend the disk; the same command goes on from "
            "the newest checkpoint.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: has a line that is not of this run ({error}); expected objects with `images`. Mend or remove the "
            "file; training does not depend on it."
        ) from error
