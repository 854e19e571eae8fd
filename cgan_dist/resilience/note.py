"""Small files in the run folder that must not be lost, or half there, after a power cut."""

from __future__ import annotations

import os
from pathlib import Path

from cgan_dist.files.whole import refusals_in_a_run, replacing


def write_note(path: Path, text: str) -> None:
    """Writes a file that is there whole or as it was before; only the main process calls it.

    Raises:
        UserError: if the disk refuses.
    """
    with refusals_in_a_run(path), replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
