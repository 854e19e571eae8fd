"""How every command of `cgan-dist` tells a person what is wrong."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cgan_dist.commands.account import complete_account
from cgan_dist.commands.code import leave_out_working_folder, naming
from cgan_dist.commands.place import LocalPath
from cgan_dist.commands.say import say
from cgan_dist.commands.streams import outlive_readers
from cgan_dist.errors import PassingError, UserError, has_control

FROM_OPTION = click.option(
    "--from",
    "start_from",
    type=LocalPath(),
    help="Run folder or checkpoint of another run, with whose networks to begin at image 0, on this config's data and "
    "labels; ignored once this run has a checkpoint of its own.",
)
FROM_TRUST_OPTION = naming(
    "--trust-code",
    is_flag=True,
    help="With --from: import the plug-ins that the other run's config names for its labels, whoever trained it.",
)
KEEP_CLOCK_OPTION = click.option(
    "--keep-clock", is_flag=True, help="With --from, for the same data: go on where that run is, optimizers included."
)
RUN = click.argument("run", type=LocalPath())
CONFIG_OPTION = naming("--config", required=True, type=LocalPath(), help="Config of the run: a YAML file.")
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[SECTION.KEY=VALUE]...")
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""What shells say of a program that SIGINT has ended."""
SILENT_SECONDS = 30
"""How long a rank keeps an error to itself that rank 0 has most likely found and said. The launcher ends it meanwhile:
in two seconds on an idle machine, and on a busy one when rank 0 is gone at last."""
ERROR_FILE = "CGAN_DIST_ERROR_FILE"
"""In the environment: where to leave the message of a UserError too, unless it may pass. A launcher turns exit code 2
into one of its own, so this is how a job script knows that starting again would not help."""
_exit_code: int | None = None
"""What this process ends with, if an error ends it."""


class UserCommand(click.Command):
    """Shows a UserError as one message, without a traceback, and exits with code 2."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the command line."""
        outlive_readers()
        complete_account()
        leave_out_working_folder()
        try:
            _check_characters(ctx, args)
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            _leave_message(error.format_message())
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        global _exit_code
        try:
            return super().invoke(ctx)
        except UserError as error:
            from cgan_dist.distributed.launch import launched_rank

            if launched_rank() > 0:
                time.sleep(SILENT_SECONDS)
            who = f"Error (rank {launched_rank()}): " if launched_rank() else "Error: "
            click.secho(who, fg="red", bold=True, nl=False, err=True)
            say(str(error), err=True)
            if not isinstance(error, PassingError):
                _leave_message(str(error))
            _exit_code = EXIT_USER_ERROR
            sys.exit(EXIT_USER_ERROR)
        except (Exception, KeyboardInterrupt) as error:
            if not _is_interrupt(error):
                _exit_code = 1
                raise
            say("Stopped by Ctrl-C before it was done; the same command begins again, or goes on.", err=True)
            _exit_code = EXIT_INTERRUPTED
            sys.exit(EXIT_INTERRUPTED)


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether it is Ctrl-C, or what a library that was being imported has made of it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _check_characters(ctx: click.Context, args: Sequence[str]) -> None:
    """Raises UsageError where an argument has a character that a terminal, or a batch file, would obey."""
    for argument in args:
        if has_control(argument):
            raise click.UsageError(
                f"found a line end or another control character in {argument!r}; expected plain text.", ctx
            )


def _leave_message(text: str) -> None:
    if file := os.environ.get(ERROR_FILE):
        with contextlib.suppress(OSError):  # a full disk, say, which the message is about
            Path(file).write_text(f"{text}\n", encoding="utf-8")


@atexit.register  # before the libraries are imported, and so after they have cleaned up
def _end_in_a_group() -> None:
    """Ends a process that an error takes out of a process group which it did not leave.

    The group's threads live on while Python is taken apart; one that wakes then aborts the process, and what should be
    code 2 is 134. Destroying the group first does not help: networks and tracebacks still hold it.
    """
    distributed = sys.modules.get("torch.distributed")
    if _exit_code is None or distributed is None or not distributed.is_initialized():
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(_exit_code)
