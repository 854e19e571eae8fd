"""`OUT.partial`: the folder of a set that is being prepared, with the plan that decides whether to go on in it."""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.data.manifest import MANIFEST, ImageFormat
from cgan_dist.errors import UserError

PLAN, PARTS, BROKEN = "plan.json", "parts.json", "broken.txt"

Planned = Mapping[str, ImageFormat]
"""What `plan.json` may hold if it is of a plan, the first for a new folder, and the format of the images then."""


def check_unused(out: Path) -> None:
    """Raises UserError where a folder that is to be made is in use already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out}: already exists and is not an empty folder; remove it or choose another.")


def open_partial(out: Path, planned: Planned) -> tuple[Path, ImageFormat]:
    """Returns the folder to write to, that of an interrupted run of the same plan or a new one, and its format.

    Raises:
        UserError: if it cannot be made, or holds something else than leftovers, or parts of another plan, which may be
            the work of many machines.
    """
    fresh = _partial(out)
    if (image := planned.get(_read(fresh))) is not None:
        return fresh, image
    if (fresh / PARTS).exists():
        raise _another_plan(fresh, planned)
    strangers = [path for path in fresh.glob("*") if not path.name.startswith((PLAN, MANIFEST, BROKEN, "shard-"))]
    if strangers:
        raise UserError(f"{strangers[0]}: in the way of --out {out}; remove {fresh} or choose another --out.")
    shutil.rmtree(fresh, ignore_errors=True)
    text, image = next(iter(planned.items()))
    try:
        fresh.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot write there: {error.strerror}.") from error
    (fresh / PLAN).write_text(text, encoding="utf-8")
    return fresh, image


def join_partial(out: Path, planned: Planned) -> tuple[Path, ImageFormat]:
    """The same for one of several processes that write to it at once: whoever comes first makes it, nobody removes it.

    Raises:
        UserError: if it cannot be made, or is of another plan.
    """
    fresh = _partial(out)
    if not fresh.exists():
        own = fresh.with_name(f".{fresh.name}-{uuid.uuid4().hex}")
        with disk(fresh):
            own.mkdir(parents=True)
            (own / PLAN).write_text(next(iter(planned)), encoding="utf-8")
            (own / PARTS).write_text("{}", encoding="utf-8")
            try:
                own.rename(fresh)
            except OSError:  # another was quicker
                shutil.rmtree(own)
    if (image := planned.get(_read(fresh))) is None:
        raise _another_plan(fresh, planned)
    with disk(fresh):
        (fresh / PARTS).write_text("{}", encoding="utf-8")  # also where it was begun in one piece
    return fresh, image


@contextlib.contextmanager
def disk(fresh: Path) -> Iterator[None]:
    """Within, what the disk refuses is explained.

    Raises:
        UserError: if it refuses something.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{fresh}: cannot write: {error.strerror or error}. What is done is kept: mend it and give the same "
            "command again."
        ) from error


def _another_plan(fresh: Path, planned: Planned) -> UserError:
    """Names what differs."""
    try:
        before, now = json.loads(_read(fresh)), json.loads(next(iter(planned)))
        differing = ", ".join(key for key in now if before.get(key) != now[key])
    except (ValueError, AttributeError):
        differing = "all of it"
    return UserError(
        f"{fresh}: begun with another plan than this command's ({differing}). Give all parts, and the command "
        f"that ends them, the same source and options; or remove {fresh} to begin anew."
    )


def _partial(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def _read(fresh: Path) -> str:
    return read_text(fresh / PLAN, RECORD_BYTES) if (fresh / PLAN).exists() else ""
