"""The user of this process, who need not have an entry in the machine's list: containers run with any user id."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

NO_HOME = "/nonexistent"
"""What Debian gives accounts that have none: nothing can be read or written there."""


def complete_account() -> None:
    """Gives a user without an entry a name and a home folder; libraries fail without, or make a folder called `~`."""
    if os.name != "posix":
        return
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = NO_HOME
