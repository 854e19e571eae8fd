"""`cgan-dist resume-info`: what a run folder holds, and where the next start of the same command goes on."""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgan_dist.bounds import RECORD_BYTES, read_bytes, regular
from cgan_dist.checkpoints.folder import FILES_MANIFEST, images_of
from cgan_dist.checkpoints.retention import BEST
from cgan_dist.checkpoints.store import CHECKPOINTS, LATEST, Checkpoint, Checkpoints, DamagedCheckpoint
from cgan_dist.checkpoints.writer import TMP, pointed_at
from cgan_dist.config.yaml_text import read_yaml
from cgan_dist.errors import UserError
from cgan_dist.resilience.preemption import REQUEUE, STOP, STOPPED
from cgan_dist.resilience.rollback import BOOK
from cgan_dist.runs.claim import LOCK
from cgan_dist.runs.folder import CONFIG

METRICS, WANDB_ID = "metrics.jsonl", "wandb_id"
TAIL_BYTES = 1 << 16
"""Of `metrics.jsonl`: more than any line of it."""
VALUES_SHOWN = 8
FLOCK = "hhqqi4x"
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""

Found = list[Checkpoint | DamagedCheckpoint]


def describe_run(folder: Path) -> str:
    """Verifies every checkpoint of a run and says what a person who is about to start it again wants to know.

    Nothing is written, and a training that is going on does not notice.

    Args:
        folder: `RUN`, which may be damaged in any way.

    Returns:
        Text of several lines.

    Raises:
        UserError: if it is no run folder.
    """
    if not any(os.path.exists(folder / name) for name in (CONFIG, CHECKPOINTS)):
        what = f"neither {CONFIG} nor {CHECKPOINTS}/ in it" if os.path.isdir(folder) else "no such folder"
        raise UserError(f"{folder}: {what}; expected a run folder such as runs/demo.")
    found = list(Checkpoints(folder / CHECKPOINTS).survey(prefix=""))
    resumable = [one for one in found if one.folder.name.startswith("step-")]
    taken = next((one for one in resumable if isinstance(one, Checkpoint)), None)
    config, trouble = _config(folder, taken)
    lines = {
        "run folder": str(folder),
        "config": trouble or _described(config, taken),
        "progress": _progress(config, taken),
        "next start": _next_start(resumable, taken),
        "lock": _lock(folder / LOCK),
        "written by": f"{world} process(es)" if (world := _state(taken).get("world_size")) else "not recorded",
        "W&B id": _text(folder / WANDB_ID) or "none",
        "marks": ", ".join(_marks(folder)) or "none",
        "last metrics": _last_metrics(folder / METRICS),
        "checkpoints": str(len(found)) if found else "none",
    }
    rows = _table(folder / CHECKPOINTS, found, taken, _at(config, "checkpoint", "keep_every_images"))
    return "\n".join([*(f"{name:16}{value}" for name, value in lines.items()), *rows])


def last_lines(path: Path) -> list[bytes]:
    """The whole lines at a file's end; what follows the last newline was cut by a kill, or is being written."""
    with regular(path).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        return file.read().split(b"\n")[:-1]


def _config(folder: Path, taken: Checkpoint | None) -> tuple[dict[str, Any], str]:
    """The run's config, else that of its newest checkpoint, and what is wrong with the run's."""
    try:
        return read_yaml(folder / CONFIG), ""
    except Exception as error:  # whatever a file of zeros, or worse, does to the parser
        return _state(taken).get("config", {}), " ".join(str(error).split())


def _described(config: Mapping[str, Any], taken: Checkpoint | None) -> str:
    labels = _part(_at(config, "conditioning", "labels"))
    kind = _at(_state(taken), "data", "labels", "kind")
    nets = (f"{net} {_part(config.get(net))}" for net in ("generator", "discriminator"))
    of_data = f" (data: {kind})" if kind else ""
    return f"{_at(config, 'run', 'name')}: labels {labels}{of_data}, {', '.join(nets)}"


def _progress(config: Mapping[str, Any], taken: Checkpoint | None) -> str:
    done, total = taken.images_seen if taken else 0, _at(config, "train", "total_images")
    if type(total) is not int or total <= 0:
        return f"{done:,} images of an unknown total"
    return f"{done:,} of {total:,} images ({done / total:.1%})"


def _next_start(resumable: Found, taken: Checkpoint | None) -> str:
    if taken is not None:
        return f"goes on from {taken.folder.name}"
    return "is refused: every checkpoint is damaged" if resumable else "begins anew: there is no checkpoint"


def _lock(path: Path) -> str:
    """Asks who holds the lock without taking it, so that a run that starts meanwhile is not refused."""
    if sys.platform != "linux":  # another layout of struct flock, or no fcntl
        return "cannot be told: on this system nobody can ask"
    import fcntl  # not on Windows

    try:
        with regular(path).open("rb") as file:
            asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, *_ = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
            owner = file.read(TAIL_BYTES).decode(errors="replace").strip()
    except FileNotFoundError:
        return "free"
    except OSError as error:
        return f"cannot be told: {error.strerror or error}"
    return "free" if kind == fcntl.F_UNLCK else f"held by {owner or 'a process'}: the run is going on"


def _marks(folder: Path) -> list[str]:
    marks = []
    for name in (STOP, REQUEUE, STOPPED):
        if os.path.lexists(folder / name):
            text = _text(folder / name)
            marks.append(f"{name} ({text})" if text else name)
    if os.path.lexists(folder / BOOK):
        try:
            count = len(json.loads(read_bytes(folder / BOOK, RECORD_BYTES))["rollbacks"])
            marks.append(f"{count} roll-back(s)")
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            marks.append(f"{BOOK}, which cannot be read")
    return marks


def _last_metrics(path: Path) -> str:
    lines: list[bytes] = []
    try:
        lines = last_lines(path)
        values = json.loads(lines[-1])
        images = values.pop("images")
        shown = [f"{name} {value:.4g}" for name, value in list(values.items())[:VALUES_SHOWN]]
    except FileNotFoundError:
        return "none"
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror or error}"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return f"{path.name} does not end with a whole line" if lines else "none"
    more = f", and {len(values) - VALUES_SHOWN} more" if len(values) > VALUES_SHOWN else ""
    return f"at {images} images: {', '.join(shown)}{more}"


def _table(folder: Path, found: Found, taken: Checkpoint | None, every: object) -> list[str]:
    named = {mark: pointed_at(folder / mark) for mark in (LATEST, BEST)}
    rows = []
    for one in found:
        images = images_of(one.folder)
        marks = ["next start"] * (one is taken) + [mark for mark, name in named.items() if name == one.folder.name]
        at_multiple = type(every) is int and every > 0 and images % every == 0
        marks += ["kept for ever"] * (at_multiple and one.folder.name.startswith("step-"))
        state = "whole" if isinstance(one, Checkpoint) else f"damaged: {one.what}"
        size = f"{_size(one.folder) / 1e6:.1f} MB"
        rows.append(
            f"  {one.folder.name:24}{images:>14,} images  {_written(one.folder):28}{size:>12}  {state}"
            + f" [{', '.join(marks)}]" * bool(marks)
        )
    names = {one.folder.name for one in found}
    rows += [f"  {mark} names {name}, which is not there" for mark, name in named.items() if name and name not in names]
    if os.path.isdir(folder):
        leftovers = [path.name for path in sorted(folder.iterdir()) if path.name.endswith(TMP)]
        rows += [f"  {name:24}being written, or left by a kill; the next save removes it" for name in leftovers]
    return rows


def _written(folder: Path) -> str:
    try:
        seconds = os.stat(folder / FILES_MANIFEST).st_mtime
    except OSError:
        return "unknown when"
    age = max(0.0, time.time() - seconds)
    unit, name = next((unit, name) for unit, name in ((86400, "d"), (3600, "h"), (60, "min"), (0, "s")) if age >= unit)
    return f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(seconds))} ({age / max(unit, 1):.0f} {name} ago)"


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:  # removed by a running training
                continue
    return total


def _state(checkpoint: Checkpoint | None) -> dict[str, Any]:
    return checkpoint.state if checkpoint is not None else {}


def _at(values: object, *keys: str) -> Any:
    """What is at a path of nested mappings; None where there is none."""
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _part(value: object) -> str:
    """The name of a plug-in, which is alone or has arguments beside it."""
    return str(_at(value, "name") if isinstance(value, Mapping) else value)


def _text(path: Path) -> str:
    try:
        with regular(path).open("rb") as file:
            return " ".join(file.read(200).decode(errors="replace").split())
    except OSError:
        return ""
