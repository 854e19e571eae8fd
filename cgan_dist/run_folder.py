"""The run folder: one config for its whole life, apart from keys that do not change what is trained."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import sys
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from cgan_dist.config import Config
from cgan_dist.errors import PassingError, UserError, storage_error
from cgan_dist.yaml_text import read_yaml

CONFIG = "config.yaml"
LOG = "log.txt"
LOCK = "lock"

logger = logging.getLogger(__name__)

MAY_CHANGE = (
    "run.dir",
    "data.path",
    "data.workers",
    "data.cache",
    "train.total_images",
    "train.max_hours",
    "train.micro_batch",
    "train.leave_minutes",
    "train.compile",
    "sample.",
    "checkpoint.",
    "evaluate.",
    "tracking.",
    "guard.",
)


def check_config_unchanged(config: Config) -> None:
    """Checks that a run folder that is already there was made by the same config.

    Raises:
        UserError: naming every key that differs and both values.
    """
    path = config.run.folder / CONFIG
    if not path.exists():
        return
    before, now = _flat(read_yaml(path)), _flat(config.model_dump())
    differing = [
        key
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not key.startswith(MAY_CHANGE)
    ]
    if differing:
        lines = [f"  {key}: {before.get(key)!r} there, {now.get(key)!r} now" for key in differing]
        raise UserError(
            f"run.name: the run folder {config.run.folder} belongs to a different config:\n"
            + "\n".join(lines)
            + f"\nChoose another run.name, give the old values, or remove {config.run.folder}."
        )


def lock_run(folder: Path) -> IO[str]:
    """Claims the run folder for this process until it ends, however it ends; only rank 0 calls it.

    Returns:
        The open lock file, which must be kept: closing it gives the claim up.

    Raises:
        PassingError: if another process is training this run: a node that failed keeps its lock for a while.
        UserError: if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise storage_error(error, f"run.dir: cannot write in {folder}: {error.strerror}.") from error
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not inherited by loader workers
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            logger.warning("%s: this file system has no locks (%s); start this run only once.", folder, error.strerror)
            return file
        file.seek(0)
        owner = file.read().strip()
        raise PassingError(
            f"run.name: {folder} is being trained by another process ({owner or 'unknown'}). Wait for it, stop it, or "
            "choose another run.name."
        ) from None
    file.truncate(0)
    file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file


def save_config(config: Config) -> None:
    """Writes the resolved config; only the main process calls it."""
    config.run.folder.mkdir(parents=True, exist_ok=True)
    fresh = config.run.folder / (CONFIG + ".tmp")
    fresh.write_text(config.to_yaml(), encoding="utf-8")
    fresh.replace(config.run.folder / CONFIG)


class _BesideProgress(logging.Handler):
    """Writes to the terminal above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def start_logging(folder: Path | None) -> None:
    """Sends this package's messages to the terminal and, with details, to `folder/log.txt`; nowhere if null.

    Every rank calls it, the main process with the run folder and the others with null.
    """
    package = logging.getLogger("cgan_dist")
    package.setLevel(logging.DEBUG)
    package.propagate = False
    package.handlers.clear()
    if folder is None:
        package.addHandler(logging.NullHandler())
        return
    terminal = _BesideProgress()
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    package.addHandler(terminal)
    file = logging.FileHandler(folder / LOG, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package.addHandler(file)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
