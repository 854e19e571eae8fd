"""`evaluation.json`: what was scored in a run, by which protocol; one entry for each protocol and checkpoint."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cgan_dist.errors import UserError

FILE = "evaluation.json"
SAME = ("checkpoint", "images", "protocol")
"""An entry replaces one that has all of these in common."""


class Scoreboard:
    """The entries of one run folder, oldest first; only one process of an evaluation uses it.

    Args:
        folder: of the run.

    Raises:
        UserError: if there is a file that no scoreboard wrote; better now than when hours of work want to be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.entries()

    def entries(self) -> list[dict[str, Any]]:
        """All of them; each has `checkpoint`, `images`, `protocol` and `scores`."""
        if not self.path.exists():
            return []
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path}: cannot be read: {error}. Mend it or move it away.") from error
        if isinstance(found, dict):  # version 0.1.0 wrote a single entry, without its protocol
            return [found]
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise UserError(f"{self.path}: expected a list of entries; mend it or move it away.")
        return found

    def add(self, entry: dict[str, Any]) -> None:
        """Adds one entry, or puts it in the place of one of the same checkpoint and protocol; others stay.

        Safe against a kill and against another evaluation of the same run.

        Raises:
            UserError: if the file cannot be written.
        """
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        try:
            with _locked(self.path.parent):
                others = [old for old in self.entries() if any(old.get(key) != entry.get(key) for key in SAME)]
                partial.write_text(json.dumps([*others, entry], indent=1) + "\n", encoding="utf-8")
                partial.replace(self.path)
        except OSError as error:
            raise UserError(f"{self.path}: cannot write: {error.strerror or error}.") from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a folder against other evaluations; where the file system has no locks, it goes on without."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
