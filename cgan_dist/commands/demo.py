"""Command `demo`: a page on this machine to play with a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgan_dist.commands.base import RUN, UserCommand
from cgan_dist.commands.code import AUTOENCODER_OPTION, TRUST_OPTION
from cgan_dist.commands.place import LocalPath
from cgan_dist.commands.say import say

if TYPE_CHECKING:
    from cgan_dist.playground.subject import Subject


@click.command(cls=UserCommand)
@RUN
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address of this machine to listen on. Another than the default lets others in who know the password: that of "
    "CGAN_DIST_DEMO_PASSWORD in the environment, or else one that is printed.",
)
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option(
    "--directions",
    type=LocalPath(),
    help="File of directions in z, as `directions` writes it, whose first five get sliders. Default: the five that the "
    "generator's first layer amplifies most.",
)
@click.option("--found", type=LocalPath(), help="File of pictures that `invert` has found, to be chosen on the page.")
@AUTOENCODER_OPTION
@TRUST_OPTION
def demo(
    run: Path,
    host: str,
    port: int,
    directions: Path | None,
    found: Path | None,
    autoencoder: Path | None,
    trust_code: bool,
) -> None:
    """Serve a page on this machine that draws from a generator.

    RUN is a run folder, a checkpoint or a model folder. Ctrl-C ends it.
    """
    from cgan_dist.distributed.launch import local_device
    from cgan_dist.playground.server import serve

    def ready(subject: Subject, password: str | None) -> None:
        say(f"{subject.name}: {subject.text}\nhttp://{host}:{port} (Ctrl-C ends it)")
        if password is not None:
            say(f"Password, with any user name: {password}")

    serve(run, host, port, local_device(), ready, trust_code, autoencoder, directions, found)
