"""Command `film`: a run's training as one film."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.commands.base import RUN, UserCommand
from cgan_dist.commands.out import OutFile
from cgan_dist.commands.say import say
from cgan_dist.pictures.picture_file import FILMS


@click.command(cls=UserCommand)
@RUN
@click.option("--fps", default=8.0, show_default=True, type=click.FloatRange(1, 50), help="Grids per second.")
@click.option(
    "--hold",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0, 60),
    help="Seconds for which the last grid stays.",
)
@click.option(
    "--max-frames", default=200, show_default=True, type=click.IntRange(2), help="At most so many grids, chosen evenly."
)
@click.option("--out", required=True, type=OutFile("the film", FILMS), help="Film to write, .gif or .mp4.")
def film(run: Path, fps: float, hold: float, max_frames: int, out: Path) -> None:
    """Make a film of a run's training.

    RUN is a run folder. Training has left grids of fixed z in RUN/samples; the film shows one after the other.
    """
    from cgan_dist.pictures.film import check_film
    from cgan_dist.pictures.training_film import find_grids, training_film

    check_film(out)
    grids = find_grids(run)
    for name in grids.damaged:
        say(f"{run / 'samples' / name}: damaged or half written, left out", err=True)
    training = training_film(grids.whole, max_frames, fps, hold)
    training.write(out)
    say(f"{out}: {training.count} of {len(grids.whole)} grids")
