"""`evaluation.json`: what was scored in a run, by which protocol; one entry for each protocol and checkpoint."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.errors import UserError
from cgan_dist.files.whole import replacing

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

    @property
    def is_writable(self) -> bool:
        """Whether there can be an entry more; scores of a run that only others may write are worth reading too."""
        return os.access(self.path.parent, os.W_OK)

    def entries(self) -> list[dict[str, Any]]:
        """All of them; each has `checkpoint`, `images`, `protocol` and `scores`."""
        if not self.path.exists():
            return []
        try:
            found = json.loads(read_text(self.path, RECORD_BYTES))
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{self.path}: cannot be read: {reason}. Mend it or move it away.") from error
        if isinstance(found, dict):  # version 0.1.0 wrote a single entry, without its protocol
            return [found]
        if not isinstance(found, list) or not all(map(_is_entry, found)):
            raise UserError(
                f"{self.path}: expected a list of entries as `cgan-dist evaluate` writes them; mend it or move it away."
            )
        return found

    def add(self, entry: dict[str, Any]) -> None:
        """Adds one entry, or puts it in the place of one of the same checkpoint and protocol; others stay.

        Safe against a kill and against another evaluation of the same run.

        Raises:
            UserError: if the file cannot be written.
        """
        try:
            with _locked(self.path.parent), replacing(self.path) as partial:
                others = [old for old in self.entries() if any(old.get(key) != entry.get(key) for key in SAME)]
                partial.write_text(json.dumps([*others, entry], indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{self.path}: cannot write: {error.strerror or error}.") from error


def _is_entry(entry: Any) -> bool:
    """Whether what readers look into is there in the form in which they do; anybody may have written the file."""
    if not isinstance(entry, dict) or not isinstance(protocol := entry.get("protocol", {}), dict):
        return False
    parts = (entry.get("scores", {}), protocol.get("scored", {}), protocol.get("reference", {}))
    return all(isinstance(part, dict) for part in parts)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a folder against other evaluations; where the file system or Windows has no locks, it goes on without."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
