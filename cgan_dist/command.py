"""How every command of `cgan-dist` tells a person what is wrong."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from cgan_dist.errors import PassingError, UserError

CONFIG_OPTION = click.option("--config", required=True, type=click.Path(path_type=Path), help="YAML file.")
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[SECTION.KEY=VALUE]...")
EXIT_USER_ERROR = 2
SILENT_SECONDS = 30
"""How long a rank keeps an error to itself that rank 0 has most likely found and said. The launcher ends it meanwhile:
in two seconds on an idle machine, and on a busy one when rank 0 is gone at last."""
ERROR_FILE = "CGAN_DIST_ERROR_FILE"
"""In the environment: where to leave the message of a UserError too, unless it may pass. A launcher turns exit code 2
into one of its own, so this is how a job script knows that starting again would not help."""


class UserCommand(click.Command):
    """Shows a UserError as one message, without a traceback, and exits with code 2."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the command line."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            _leave_message(error.format_message())
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))  # a script in launch/ does not see the user's plug-ins otherwise
        try:
            return super().invoke(ctx)
        except UserError as error:
            from cgan_dist.distributed import launched_rank

            if launched_rank() > 0:
                time.sleep(SILENT_SECONDS)
            who = f"Error (rank {launched_rank()}): " if launched_rank() else "Error: "
            click.secho(who, fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            if not isinstance(error, PassingError):
                _leave_message(str(error))
            sys.exit(EXIT_USER_ERROR)


def _leave_message(text: str) -> None:
    if file := os.environ.get(ERROR_FILE):
        with contextlib.suppress(OSError):  # a full disk, say, which the message is about
            Path(file).write_text(f"{text}\n", encoding="utf-8")
