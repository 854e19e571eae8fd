"""The folder of what is offered for download, which goes with the server, however that ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "cgan-dist-playground-"


@contextlib.contextmanager
def served_folder() -> Iterator[Path]:
    """Makes an empty folder that this user alone can read, and removes those of this user's dead servers.

    The lock on it ends with the process, however that ends; a folder without one belongs to nobody.
    """
    if sys.platform == "win32":  # folders cannot be locked there
        with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
            yield Path(name)
        return
    clear_dead()
    with contextlib.ExitStack() as stack:
        while True:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)))
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            if _claimed(descriptor) and folder.is_dir():  # else another start took it for that of a dead server
                break
        yield folder


def clear_dead() -> None:
    """Removes the folders whose servers were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another start clears it, or a server ends
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if _claimed(descriptor):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _claimed(descriptor: int) -> bool:
    """Locks a folder until its descriptor is closed; false if somebody has."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
