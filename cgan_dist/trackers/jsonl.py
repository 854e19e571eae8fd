"""`metrics.jsonl`: one object a line, `images` first. The truth; others mirror it. Beside it, `alerts.jsonl`."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from cgan_dist.bounds import METRICS_BYTES, read_bytes
from cgan_dist.errors import UserError
from cgan_dist.files.whole import refusals_in_a_run, replacing
from cgan_dist.trackers.base import METRICS, Tracker

ALERTS = "alerts.jsonl"
SHOWN = 40
"""Bytes of a line that are quoted."""


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
            with refusals_in_a_run(self.alerts):
                _rewrite(self.alerts, _whole_lines(self.alerts))

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Appends one line; what is not finite becomes null, for which JSON has a word."""
        line = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with refusals_in_a_run(self.path):
            _append(self.file, {"images": images_seen} | line)

    def alert(self, images_seen: int, title: str, text: str, trouble: bool) -> None:
        """Appends one line."""
        with refusals_in_a_run(self.alerts), self.alerts.open("a", encoding="utf-8") as file:
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
        with refusals_in_a_run(self.path):
            read = _read(self.path) if images_seen else ()
            kept = [line for line, images, _ in read if images <= images_seen]
            _rewrite(self.path, kept)
            return self.path.open("a", encoding="utf-8")


def lines_after(path: Path, images_seen: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Reads the lines of a `metrics.jsonl` beyond a point of the clock: images seen, and the finite values by name.

    Raises:
        UserError: at a line that no run wrote.
    """
    for _, images, values in _read(path):
        if images > images_seen:
            yield images, {name: value for name, value in values.items() if value is not None}


def _read(path: Path) -> Iterator[tuple[bytes, int, dict[str, Any]]]:
    """Each whole line, its images, and the rest of what it says."""
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            if not line.strip():
                continue
            values = json.loads(line.decode())
            images = values.pop("images")
            if type(images) is not int:
                raise TypeError(images)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path}, line {number}: found {line[:SHOWN]!r}, which is no line of this run; expected an object with "
                f"`images`. Remove that line (sed -i {number}d {path}) or set the file aside (mv {path} {path}.aside), "
                "on which no training depends, and the same command goes on."
            ) from error
        yield line, images, values


def _append(file: TextIO, value: Mapping[str, Any]) -> None:
    file.write(json.dumps(value) + "\n")
    file.flush()


def _whole_lines(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    return read_bytes(path, METRICS_BYTES).split(b"\n")[:-1]  # what follows the last newline was cut by a kill


def _rewrite(path: Path, lines: Sequence[bytes]) -> None:
    with replacing(path) as partial:
        partial.write_bytes(b"".join(line + b"\n" for line in lines))
