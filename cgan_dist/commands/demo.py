"""Command `demo`: a page on this machine to play with a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgan_dist.command import UserCommand

if TYPE_CHECKING:
    from cgan_dist.playground.subject import Subject


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address of this machine to listen on. Another than the default lets others in; there is no password.",
)
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def demo(run: Path, host: str, port: int) -> None:
    """Serve a page that draws from a run folder, a checkpoint or a model folder, until Ctrl-C."""
    from cgan_dist.distributed import local_device
    from cgan_dist.playground.server import serve

    def ready(subject: Subject) -> None:
        click.echo(f"{subject.name}: {subject.text}\nhttp://{host}:{port} (Ctrl-C ends it)")

    serve(run, host, port, local_device(), ready)
