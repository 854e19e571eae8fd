"""The command line: `cgan-dist COMMAND`, `python -m cgan_dist COMMAND`, and the scripts in launch/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from cgan_dist import __version__
from cgan_dist.commands.adopt import adopt_command
from cgan_dist.commands.cluster import run_folder, status, submit
from cgan_dist.commands.dashboard import dashboard
from cgan_dist.commands.data import inspect, prepare, verify
from cgan_dist.commands.demo import demo
from cgan_dist.commands.directions import directions
from cgan_dist.commands.edit import edit
from cgan_dist.commands.encode import encode
from cgan_dist.commands.evaluate import evaluate
from cgan_dist.commands.export import export, push
from cgan_dist.commands.film import film
from cgan_dist.commands.generate import generate
from cgan_dist.commands.invert import invert
from cgan_dist.commands.neighbours import neighbours
from cgan_dist.commands.new import new
from cgan_dist.commands.sample import sample, slide, walk
from cgan_dist.commands.train import check, resume_info, train

ROOMS = {
    "Data": (prepare, adopt_command, encode, inspect, verify),
    "Train": (new, check, train, resume_info),
    "Look": (sample, walk, slide, neighbours, film, demo, dashboard),
    "Edit": (invert, edit, directions),
    "Score": (evaluate,),
    "Share": (generate, export, push),
    "Cluster": (submit, status, run_folder),
}
"""All commands there are, in the order of use. A hidden one is typed by job scripts, not by people."""


class Rooms(click.Group):
    """Commands in titled groups; `--help` lists each with the first sentence of its docstring, however long."""

    def __init__(self, *, rooms: Mapping[str, Sequence[click.Command]], **kwargs: Any) -> None:
        super().__init__(commands=[command for room in rooms.values() for command in room], **kwargs)
        self.rooms = rooms

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of use."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the groups, all with the same columns."""
        width = max(map(len, self.commands))
        for title, room in self.rooms.items():
            with formatter.section(title):
                formatter.write_dl([(f"{c.name:{width}}", _sentence(c)) for c in room if not c.hidden])


def _sentence(command: click.Command) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())


@click.group(cls=Rooms, rooms=ROOMS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Distributed training of conditional GANs.

    `cgan-dist COMMAND --help` lists what a command takes.
    """
