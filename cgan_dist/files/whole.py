"""A file is written beside its place and renamed to it: it is whole, and what a link leads to stays as it is."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from cgan_dist.errors import UserError, storage_error


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives the name of a file beside `path` to write to, and renames it to `path` when it is whole.

    A link that lies there is replaced, and what it leads to is not written to.

    Raises:
        UserError: if the disk refuses; then `path` is as it was.
    """
    try:
        with replacing(path) as partial:
            yield partial
    except OSError as error:
        raise UserError(f"{path}: cannot write: {error.strerror or error}.") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The same, for who has something to say himself of an OSError."""
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}.partial")  # which nobody can have put there before
    try:
        yield partial
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):  # a full disk, say, or a folder that is none
            partial.unlink()


@contextlib.contextmanager
def refusals_in_a_run(path: Path) -> Iterator[None]:
    """Turns what the system says of a file that a training run writes into an error for the user.

    Raises:
        UserError: if the disk refuses.
    """
    try:
        yield
    except OSError as error:
        raise storage_error(
            error,
            f"{path}: cannot be written ({error.strerror}). Make room or mend the disk; the same command goes on from "
            "the newest checkpoint.",
        ) from error


def check_links(folder: Path, names: Iterable[str]) -> None:
    """Checks that what is appended to in a folder is no link.

    Raises:
        UserError: naming the first link.
    """
    for name in names:
        with contextlib.suppress(OSError):
            if stat.S_ISLNK((folder / name).lstat().st_mode):
                raise UserError(
                    f"{folder / name}: a link to {(folder / name).readlink()}, which would be written to; expected a "
                    "file of its own. Remove the link."
                )


def leaves(path: Path, folder: Path) -> bool:
    """Whether a path in a folder is a link, or lies behind one, that leads out of it."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
