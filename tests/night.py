"""A tracker that does something to its own run, at one point of the clock: what happens to runs at night."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from cgan_dist.trackers.base import TrackedRun, Tracker

FIRST_CHECKPOINT = 32
"""Of the config of these tests; a thread writes it, for which later faults wait."""


def move(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def replace(folder: Path) -> None:
    move(folder)
    folder.mkdir()


def remove_lock(folder: Path) -> None:
    (folder / "lock").unlink()


def stop_by_folder(folder: Path) -> None:
    (folder / "STOP").mkdir()


def samples_become_a_file(folder: Path) -> None:
    shutil.rmtree(folder / "samples")
    (folder / "samples").touch()


def no_room_for_checkpoints(folder: Path) -> None:
    limit(5000)


def no_room_for_lines(folder: Path) -> None:
    limit((folder / "metrics.jsonl").stat().st_size + 100)


def no_room_for_wandb(folder: Path) -> None:
    for process in psutil.Process().children(recursive=True):
        if "wandb-core" in process.name():
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100, 100))


def limit(size_bytes: int) -> None:
    """No file of this process gets larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


FAULTS: dict[str, Callable[[Path], None]] = {
    "moved": move,
    "removed": shutil.rmtree,
    "replaced": replace,
    "lock removed": remove_lock,
    "STOP is a folder": stop_by_folder,
    "samples is a file": samples_become_a_file,
    "no room for checkpoints": no_room_for_checkpoints,
    "no room for lines": no_room_for_lines,
    "no room for W&B": no_room_for_wandb,
}


class Night(Tracker):
    """Makes a fault when the line of `at` images is logged."""

    def __init__(self, run: TrackedRun, fault: str, at: int) -> None:
        self.folder, self.fault, self.at = run.folder, fault, at

    def scalars(self, images_seen: int, values: Mapping[str, float]) -> None:
        if images_seen == self.at:
            deadline = time.monotonic() + 900
            while images_seen > FIRST_CHECKPOINT and not (self.folder / "checkpoints" / "latest").exists():
                assert time.monotonic() < deadline, "the checkpoint is not written"
                time.sleep(0.01)
            FAULTS[self.fault](self.folder)


def night(fault: str, at: int, others: str = "") -> str:
    """The override that lets it happen, before other trackers get that line."""
    return f"tracking.trackers=[{{name: 'tests.night:Night', args: {{fault: '{fault}', at: {at}}}}}{others}]"
