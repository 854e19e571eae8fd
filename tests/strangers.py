"""What a stranger sends: a run with another config and the right hashes, and beside it code that leaves a mark."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.unit.checkpoint_samples import forge

PAYLOAD = """\
from pathlib import Path
Path({marker!r}).touch()
def go(*args, **kwargs):
    Path({marker!r}).touch()
class Go:
    def __init__(self, *args, **kwargs):
        Path({marker!r}).touch()
"""


def stranger_of(run: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Copies a run and changes its config, in the run folder and in every checkpoint.

    Args:
        run: a run folder.
        folder: to make.
        change: changes the plain values in place.
    """
    shutil.copytree(run, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    for checkpoint in (folder / "checkpoints").glob("step-*"):
        state = json.loads((checkpoint / "state.json").read_text())
        change(state["config"])
        forge(checkpoint, "state.json", json.dumps(state).encode())
    return folder


def plant(folder: Path, marker: Path, name: str = "payload") -> None:
    """Puts a module into a folder whose import, or call, makes `marker`."""
    (folder / f"{name}.py").write_text(PAYLOAD.format(marker=str(marker)))
