"""Writing a folder so that it is whole or absent, in a thread beside the training."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cgan_dist.bounds import RECORD_BYTES, read_bytes
from cgan_dist.checkpoints.folder import FILES_MANIFEST, NAME, Facts, images_of, manifest_of
from cgan_dist.errors import storage_error

TMP, OLD = ".tmp", ".old"
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)
"""What file systems say that cannot flush a folder; they order renames by themselves."""

logger = logging.getLogger(__name__)


class BackgroundWriter:
    """At most one thread that writes. It is no daemon: Python does not exit before it is done."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def start(self, job: Callable[[], None]) -> None:
        """Waits for the job before, and starts this one.

        Raises:
            Exception: what the job before raised; then this one is not started.
        """
        self.wait()
        self._thread = threading.Thread(target=self._run, args=(job,), name="checkpoint writer", daemon=False)
        self._thread.start()

    def wait(self) -> None:
        """Waits until nothing is being written.

        Raises:
            Exception: what the last job raised, once.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:
            self._error = error
            logger.warning("A checkpoint was not written: %s", error)  # now, for the next `save` may be hours away


def write_folder(contents: Iterable[tuple[str, bytes]], folder: Path) -> None:
    """Writes a checkpoint folder that is whole or absent, whenever the process is killed.

    Args:
        contents: name and content of one file after the other.
        folder: its final name; one that is there is replaced.

    Raises:
        OSError: if the disk refuses; nothing half-written stays, where it can be removed.
    """
    fresh, old = (folder.with_name(folder.name + suffix) for suffix in (TMP, OLD))
    discard(fresh)
    try:
        folder.parent.mkdir(exist_ok=True)  # not the run folder: one that is gone was moved or removed
        fresh.mkdir()
        files = {}
        for name, content in contents:
            write_file(fresh / name, content)
            files[name] = Facts.of(content)
        write_file(fresh / FILES_MANIFEST, manifest_of(files))
        sync_folder(fresh)
        if os.path.lexists(folder):  # a folder cannot be replaced in one step; `.old` is looked at while there is none
            discard(old)
            folder.rename(old)
        fresh.rename(folder)
    except BaseException:
        discard(fresh)
        raise
    sync_folder(folder.parent)
    sync_folder(folder.parent.parent)  # where the first checkpoint makes a folder too
    discard(old)


def write_pointer(path: Path, name: str) -> None:
    """Makes a small file name a folder beside it; it names the one before or this one, never anything else."""
    write_whole(path, name.encode())


def write_whole(path: Path, content: bytes) -> None:
    """Writes a small file that has its old content or the new one, whenever the process or the machine is stopped."""
    fresh = path.with_name(path.name + TMP)
    discard(fresh)  # of a kill, or a link that somebody has put there
    try:
        write_file(fresh, content)
        fresh.replace(path)
    except BaseException:
        discard(fresh)
        raise
    sync_folder(path.parent)


def pointed_at(pointer: Path) -> str | None:
    """The name of the folder that `write_pointer` wrote; None if there is no such file, or nonsense in it."""
    try:
        name = read_bytes(pointer, RECORD_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return name if NAME.fullmatch(name) else None


def folders_in(folder: Path, prefix: str = "") -> list[Path]:
    """Checkpoint folders by the clock, `prefix` of their names; of one that is being replaced, the old one comes first.

    Raises:
        UserError: if they cannot be listed, which is not the same as having none.
    """
    try:
        found = [path for path in folder.iterdir() if NAME.fullmatch(path.name) and path.name.startswith(prefix)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error(error, f"{folder}: cannot look for checkpoints: {error.strerror or error}.") from error
    return sorted(found, key=lambda path: (images_of(path), not path.name.endswith(OLD), path.name))


def is_gone(path: Path) -> bool:
    """Whether it is known that there is nothing any more; false where it cannot be looked at."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def write_file(path: Path, content: bytes) -> None:
    """Writes a file and waits until it is on disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Removes a file or folder as far as it can be; it loses its name first, so that no half of it is looked at."""
    gone = path if path.name.endswith(TMP) else path.with_name(path.name + TMP)
    with contextlib.suppress(OSError):
        if gone != path:
            shutil.rmtree(gone, ignore_errors=True)
            path.rename(gone)
        if gone.is_dir() and not gone.is_symlink():
            shutil.rmtree(gone, ignore_errors=True)
        else:
            gone.unlink()


@contextlib.contextmanager
def refusals_explained(folder: Path) -> Iterator[None]:
    """Turns what the operating system refuses into a UserError."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free space",
            errno.EDQUOT: "free space, or ask for more",
            errno.EROFS: "make the file system writable",
            errno.EACCES: "make the folder writable",
            errno.ENOENT: "do not remove the folder while the run is going on",
        }.get(error.errno or 0, "mend the folder")
        raise storage_error(
            error,
            f"{folder}: cannot write the checkpoint: {error.strerror or error}. Earlier checkpoints are untouched; "
            f"{advice}, then give the same command again.",
        ) from error
