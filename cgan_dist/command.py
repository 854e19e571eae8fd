"""How every command of `cgan-dist` tells a person what is wrong."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from cgan_dist.errors import UserError

CONFIG_OPTION = click.option("--config", required=True, type=click.Path(path_type=Path), help="YAML file.")
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[SECTION.KEY=VALUE]...")
EXIT_USER_ERROR = 2
SILENT_SECONDS = 3


class UserCommand(click.Command):
    """Shows a UserError as one message, without a traceback, and exits with code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))  # a script in launch/ does not see the user's plug-ins otherwise
        try:
            return super().invoke(ctx)
        except UserError as error:
            from cgan_dist.distributed import launched_rank

            if launched_rank() > 0:
                time.sleep(SILENT_SECONDS)  # what rank 0 has found too, it has said; then the launcher ends this rank
            who = f"Error (rank {launched_rank()}): " if launched_rank() else "Error: "
            click.secho(who, fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            sys.exit(EXIT_USER_ERROR)
