"""Command `film`: a run's training as one film."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.command import UserCommand


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--fps", default=8.0, show_default=True, type=click.FloatRange(1, 50), help="Grids per second.")
@click.option("--hold", default=3.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds of the last grid.")
@click.option(
    "--max-frames", default=200, show_default=True, type=click.IntRange(2), help="Of more, evenly chosen ones."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A film .gif or .mp4.")
def film(run: Path, fps: float, hold: float, max_frames: int, out: Path) -> None:
    """Show how a run's grids of fixed z (RUN/samples) have changed as it was trained."""
    from cgan_dist.film import check_film
    from cgan_dist.training_film import find_grids, training_film

    check_film(out)
    grids = find_grids(run)
    for name in grids.damaged:
        click.echo(f"{run / 'samples' / name}: damaged or half written, left out", err=True)
    training = training_film(grids.whole, max_frames, fps, hold)
    training.write(out)
    click.echo(f"{out}: {training.count} of {len(grids.whole)} grids")
