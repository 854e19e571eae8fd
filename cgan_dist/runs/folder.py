"""The run folder: one config for its whole life, apart from keys that do not change what is trained."""

from __future__ import annotations

import logging
import stat
import sys
from pathlib import Path

from tqdm import tqdm

from cgan_dist.checkpoints.store import CHECKPOINTS
from cgan_dist.checkpoints.writer import write_whole
from cgan_dist.config.document import Config, parse_config
from cgan_dist.config.yaml_text import read_yaml
from cgan_dist.errors import UserError, printable, storage_error
from cgan_dist.files.whole import check_links
from cgan_dist.resilience.preemption import REQUEUE, STOP, STOPPED
from cgan_dist.resilience.rollback import BOOK
from cgan_dist.runs.claim import LOCK
from cgan_dist.trackers.base import METRICS, SAMPLES
from cgan_dist.trackers.jsonl import ALERTS

CONFIG = "config.yaml"
LOG = "log.txt"
FILES = (CONFIG, LOG, LOCK, METRICS, ALERTS, BOOK, STOP, REQUEUE, STOPPED)
APPENDED = (LOG, LOCK, METRICS, ALERTS)
"""Of these, what a run writes on in; what it writes anew cannot go through a link."""
FOLDERS = (CHECKPOINTS, SAMPLES)
"""What a run writes; W&B's and TensorBoard's are their own affair, and may fail."""

MAY_CHANGE = (
    "run.dir",
    "data.path",
    "data.autoencoder",
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
        UserError: naming every key that differs and both values, or what in the folder is of the wrong kind.
    """
    _check_kinds(config.run.folder)
    path = config.run.folder / CONFIG
    if not path.exists():
        return
    try:
        before = parse_config(read_yaml(path), str(path))  # an earlier revision may have had fewer keys
    except UserError as error:
        raise UserError(
            f"{error}\nThis is the config that the run folder keeps of its run, and not the one that was given. If a "
            "full disk or a crash has left it so, set it aside, and the same command writes it anew: "
            f"mv {path} {path}.aside"
        ) from error
    differing = {key: both for key, both in before.differences(config).items() if not key.startswith(MAY_CHANGE)}
    if differing:
        lines = [f"  {key}: {there!r} there, {now!r} now" for key, (there, now) in differing.items()]
        folder, other = config.run.folder, f"run.name={config.run.name}-2"
        ways = {
            f"{other} --from {folder} --keep-clock": "goes on where that one is, for the same data and networks",
            f"{other} --from {folder}": "begins at 0 images with its networks",
            other: "begins afresh",
        }
        width = max(map(len, ways))
        lines += ["Give the old values, or begin another run by adding one of these:"]
        lines += [f"  {typed:{width}}  {does}" for typed, does in ways.items()]
        raise UserError(f"run.name: the run folder {folder} belongs to a different config:\n" + "\n".join(lines))


def _check_kinds(folder: Path) -> None:
    """Checks that nothing in a run folder stands where the run wants to write something of another kind.

    Raises:
        UserError: naming the first that does.
    """
    check_links(folder, APPENDED)
    for names, is_right, expected in ((FILES, stat.S_ISREG, "a file"), (FOLDERS, stat.S_ISDIR, "a folder")):
        for path in (folder / name for name in names):
            try:
                mode = path.stat().st_mode
            except OSError:
                if not path.is_symlink():
                    continue
                mode = 0
            if not is_right(mode):
                kinds = ((stat.S_ISREG, "a file"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"))
                found = next((kind for is_kind, kind in kinds if is_kind(mode)), "a device" if mode else "a dead link")
                raise UserError(
                    f"{path}: found {found}; expected {expected}, or nothing: the run writes it. Set it aside: "
                    f"mv {path} {path}.aside"
                )


def save_config(config: Config) -> None:
    """Writes the resolved config; only the main process calls it.

    Raises:
        UserError: if it cannot be written; what was there stays.
    """
    path = config.run.folder / CONFIG
    try:
        config.run.folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, config.to_yaml().encode())
    except OSError as error:
        raise storage_error(
            error, f"{path}: cannot be written ({error.strerror}). Make room or mend the disk."
        ) from error


class _Printable(logging.Formatter):
    """Lines in which names and sources of others do nothing to a terminal, and which tell no secret of a URL."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _BesideProgress(logging.Handler):
    """Writes to the terminal above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


class _LogFile(logging.FileHandler):
    """A file whose disk may be full for a while: that is said once, and costs lines of the log and nothing else."""

    is_told = False

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.is_told:
            self.is_told = True
            text = f"{self.baseFilename}: cannot be written ({error.strerror}); what is said meanwhile is not in it."
            tqdm.write(text, file=sys.stderr)


def start_logging(folder: Path | None) -> None:
    """Sends this package's messages to the terminal and, with details, to `folder/log.txt`; nowhere if null.

    Every rank calls it, the main process with the run folder and the others with null.

    Raises:
        UserError: if there can be no such file.
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
    terminal.setFormatter(_Printable("%(message)s"))
    package.addHandler(terminal)
    try:
        file = _LogFile(folder / LOG, encoding="utf-8")
    except OSError as error:
        raise storage_error(error, f"{folder / LOG}: cannot be written: {error.strerror}.") from error
    file.setFormatter(_Printable("%(asctime)s %(levelname)s %(message)s"))
    package.addHandler(file)
