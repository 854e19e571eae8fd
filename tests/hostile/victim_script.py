"""Gives commands in folders that somebody else made, and reports how each ended and what it touched.

A line of JSON comes in, `{"folder": ..., "arguments": [...]}`; a line of JSON goes out.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from cgan_dist import Generator
from cgan_dist.cli import main
from cgan_dist.commands.base import UserCommand
from cgan_dist.evaluation.kept_file import OWN_FOLDER
from cgan_dist.runs.own_runs import state_folder
from tests.hostile.mutations import PAYLOAD

LIMIT_SECONDS = 10
"""Of this process's own time, which does not pass while others have the machine."""
WAITING_SECONDS = 60
"""For anything but the machine, such as the other end of a FIFO."""
LIMIT_BYTES = 2 << 30
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
WAYS_OUT = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "socket.getaddrinfo")
touched: list[str] = []
own = ""


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: what would be a way out of the folder."""
    if event == "import" and str(arguments[0]).partition(".")[0] == PAYLOAD:
        touched.append(f"import {arguments[0]}")
    elif event in (
        "os.system",
        "subprocess.Popen",
        "os.exec",
        "os.posix_spawn",
        "socket.connect",
        "socket.getaddrinfo",
    ):
        touched.append(f"{event} {arguments[:2]!r}")
    elif event == "open" and isinstance(arguments[0], (str, bytes)) and _writes(arguments):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if not path.startswith((own, str(state_folder() / OWN_FOLDER), "/dev/null", "/dev/tty", "/dev/shm")):
            touched.append(f"writes {path}")


def _writes(arguments: tuple[Any, ...]) -> bool:
    mode, flags = arguments[1], arguments[2] or 0
    return bool(flags & WRITING) or (isinstance(mode, str) and any(letter in mode for letter in "wax+"))


def too_long(number: int, _: object) -> None:
    """Ends a command that works or waits for too long."""
    raise TimeoutError(f"it {'waited' if number == signal.SIGALRM else 'worked'} for too long")


@main.command("load", cls=UserCommand)
@click.argument("folder")
def load(folder: str) -> None:
    """What a person types in Python."""
    Generator.from_pretrained(folder).sample(count=1)


def attempt(folder: str, arguments: list[str]) -> dict[str, Any]:
    """Gives one command."""
    global own
    own = os.path.realpath(folder)
    touched.clear()
    os.chdir(folder)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS)
    signal.alarm(WAITING_SECONDS)
    try:
        result = CliRunner().invoke(main, arguments)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    odd = result.exception is not None and not isinstance(result.exception, SystemExit)
    trace = "".join(traceback.format_exception(*result.exc_info)) if odd and result.exc_info else ""
    escaped = [str(path) for path in Path(folder).rglob("ESCAPED")]
    return {"code": result.exit_code, "said": result.output, "trace": trace, "touched": touched + escaped}


def limit_memory() -> None:
    """Lets this process have so much more than it has now."""
    status = Path("/proc/self/status").read_text()
    now = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (now + LIMIT_BYTES, now + LIMIT_BYTES))


if __name__ == "__main__":
    import torch  # noqa: F401  # before memory is limited

    import cgan_dist.assembly.saved  # noqa: F401

    signal.signal(signal.SIGPROF, too_long)
    signal.signal(signal.SIGALRM, too_long)
    limit_memory()
    sys.addaudithook(watch)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        print(json.dumps(attempt(**json.loads(line))), file=answers, flush=True)
