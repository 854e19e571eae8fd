"""The command line: `cgan-dist COMMAND`, `python -m cgan_dist COMMAND`, and the scripts in launch/."""

from __future__ import annotations

import click

from cgan_dist import __version__
from cgan_dist.commands.cluster import run_folder, status, submit
from cgan_dist.commands.dashboard import dashboard
from cgan_dist.commands.data import inspect, prepare, verify
from cgan_dist.commands.demo import demo
from cgan_dist.commands.evaluate import evaluate
from cgan_dist.commands.export import export, push
from cgan_dist.commands.film import film
from cgan_dist.commands.generate import generate
from cgan_dist.commands.neighbours import neighbours
from cgan_dist.commands.sample import sample, slide, walk
from cgan_dist.commands.train import check, resume_info, train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Distributed training of conditional GANs."""


for command in (
    train,
    check,
    resume_info,
    prepare,
    inspect,
    verify,
    sample,
    walk,
    slide,
    film,
    neighbours,
    generate,
    evaluate,
    dashboard,
    demo,
    export,
    push,
    submit,
    status,
    run_folder,
):
    main.add_command(command)
