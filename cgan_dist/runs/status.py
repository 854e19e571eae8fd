"""`cgan-dist status`: how a run on a cluster is getting on."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from cgan_dist.bounds import CLOCK_IMAGES, RECORD_BYTES, read_bytes
from cgan_dist.checkpoints.folder import images_of
from cgan_dist.checkpoints.store import CHECKPOINTS, LATEST
from cgan_dist.checkpoints.writer import pointed_at
from cgan_dist.config.yaml_text import read_yaml
from cgan_dist.errors import UserError, shown
from cgan_dist.resilience.preemption import REQUEUE, STOP, STOPPED
from cgan_dist.runs.folder import CONFIG
from cgan_dist.runs.resume import METRICS, last_lines
from cgan_dist.runs.slurm import find_job
from cgan_dist.runs.submission import BOOK, job_number

ATTEMPTS = "attempts.log"


def describe_status(folder: Path) -> str:
    """Says what Slurm and the run folder know; nothing is written.

    Args:
        folder: `RUN`.

    Returns:
        Text of several lines.

    Raises:
        UserError: if it is no run folder.
    """
    total = _total_images(folder)
    last = _last_values(folder / METRICS)
    latest = pointed_at(folder / CHECKPOINTS / LATEST)
    images = int(last.get("images", images_of(Path(latest)) if latest else 0))
    rate = last.get("perf/images_per_second")
    lines = {
        "run folder": str(folder),
        "job": _job(folder),
        "progress": f"{images:,} of {total:,} images ({images / total:.1%})",
        "speed": f"{rate:,.0f} images/s" if rate else "not known yet",
        "time left": _time_left(total - images, rate),
        "checkpoint": f"{latest}, {_age(folder / CHECKPOINTS / latest)}" if latest else "none yet",
        "attempts": _attempts(folder / BOOK / ATTEMPTS),
    }
    if marks := [name for name in (STOP, REQUEUE, STOPPED) if (folder / name).exists()]:
        lines["marks"] = ", ".join(marks)
    return "\n".join(f"{name:12}{value}" for name, value in lines.items())


def _total_images(folder: Path) -> int:
    """Of the config of the training, or of a job that has not begun."""
    for path in (folder / CONFIG, folder / BOOK / CONFIG):
        if path.exists():
            train = read_yaml(path).get("train")
            total = train.get("total_images") if isinstance(train, dict) else None
            if type(total) is not int or not 0 < total <= CLOCK_IMAGES.limit:
                raise UserError(
                    f"{path}: train.total_images: found {shown(total)}; expected the number of images that the run "
                    f"trains on. Set the file aside (mv {path} {path}.aside); the next start writes it anew."
                )
            return total
    what = f"no {CONFIG} in it" if folder.is_dir() else "no such folder"
    raise UserError(f"{folder}: {what}; expected a run folder such as runs/demo.")


def _last_values(path: Path) -> dict[str, float]:
    """Each number as it was logged last; a line that is damaged is passed over."""
    values: dict[str, float] = {}
    try:
        lines = last_lines(path)
    except OSError:
        return values
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
            values |= {name: value for name, value in json.loads(line).items() if _is_number(value)}
    return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= CLOCK_IMAGES.limit


def _job(folder: Path) -> str:
    number = job_number(folder)
    if not number:
        return "none: this run was not started by Slurm"
    try:
        job = find_job(number)
    except UserError as error:  # the rest is worth knowing away from the cluster too
        return f"cannot be told: {error}"
    return str(job) if job is not None else f"{number}: over, and Slurm has forgotten it"


def _time_left(images: int, rate: float | None) -> str:
    if images <= 0:
        return "none: all images are seen"
    if not rate:
        return "not known yet"
    minutes = round(images / rate / 60)
    return f"about {minutes // 60} h {minutes % 60:02} min of training"


def _age(checkpoint: Path) -> str:
    try:
        minutes = max(0.0, time.time() - checkpoint.stat().st_mtime) / 60
    except OSError:
        return "which is not there"
    return f"{minutes:.0f} min ago" if minutes < 120 else f"{minutes / 60:.0f} h ago"


def _attempts(path: Path) -> str:
    """How many have ended, and how the last one did."""
    try:
        ended = read_bytes(path, RECORD_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return "none has ended"
    return f"{len(ended)} ended; last: {ended[-1]}" if ended else "none has ended"
