"""Command `new`: a config for a prepared set and a machine."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.out import OutFile
from cgan_dist.commands.place import Place
from cgan_dist.commands.say import say
from cgan_dist.errors import UserError

CONFIGS = (".yaml", ".yml")


@click.command(cls=UserCommand)
@click.argument("data", type=Place())
@click.option("--out", required=True, type=OutFile("the config", CONFIGS), help="File to write, .yaml; never replaced.")
@click.option(
    "--for",
    "machine",
    metavar="[cpu|gpu|gpu:GIB]",
    help="Where it will train: a CPU, a GPU, or one with so much memory. Default: what this machine has.",
)
@click.option(
    "--hours",
    type=click.FloatRange(0, min_open=True),
    help="Hours that training may take. Default: 1 on a CPU, as long as the recipe has on a GPU.",
)
def new(data: Path | str, out: Path, machine: str | None, hours: float | None) -> None:
    """Write a config that fits a prepared set and this machine.

    DATA is a folder that `cgan-dist prepare` wrote, or its URL. A step is measured, which takes a minute or two where
    images are large, and the reason for every choice stands beside it.
    """
    if out.exists():
        raise UserError(f"--out {out}: there is such a file, and `new` replaces none; give another name.")
    from cgan_dist.recipes.proposal import propose
    from cgan_dist.training.pace import duration

    proposal = propose(str(data), out, machine, hours)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except OSError as error:
        raise UserError(f"--out {out}: cannot write it: {error.strerror}.") from error
    plan, file_name = proposal.plan, shlex.quote(str(out))
    length = f"about {duration(plan.seconds)}" if plan.seconds is not None else "how long that takes was not measured"
    say(
        f"{out}: {plan.values()['generator']['name']} of width {plan.width}, {plan.total_images:,} images, {length}\n"
        f"  cgan-dist check --config {file_name}\n"
        f"  cgan-dist train --config {file_name}"
    )
