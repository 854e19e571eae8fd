"""Commands `sample`, `walk` and `slide`: pictures of what a run's generator can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.drawing import (
    FILM_STEPS,
    PICTURE,
    PICTURE_STEPS,
    Drawing,
    drawing_options,
    moving_options,
)
from cgan_dist.commands.say import say
from cgan_dist.pictures.picture_file import FILMS, write_picture

GRID_COLUMNS = 16
GRID_CLASSES = 64
WALK_COLUMNS = 10
SLIDER_STOPS = 3


@click.command(cls=UserCommand)
@click.option("--per-label", default=8, show_default=True, type=click.IntRange(1), help="Rows of the grid.")
@click.option(
    "--z",
    default="random",
    show_default=True,
    type=click.Choice(["random", "fixed"]),
    help="A new z for every image, or one z a row for all labels.",
)
@drawing_options
@PICTURE
def sample(per_label: int, z: str, out: Path, **drawing: Any) -> None:
    """Draw a grid of samples with a column for each label.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws.
    """
    asked = Drawing(**drawing)
    kind = asked.sampler.label_space.schema.kind
    chosen = asked.choose(GRID_CLASSES if kind == "classes" else GRID_COLUMNS)
    write_picture(asked.sampler.grid(chosen, per_label, z, 0), out)
    say(f"{out}: {len(chosen)} labels, {per_label} samples of each")


@click.command(cls=UserCommand)
@click.option("--walks", default=1, show_default=True, type=click.IntRange(1), help="Ways through z, one per row.")
@click.option("--stops", default=3, show_default=True, type=click.IntRange(2), help="Samples that each way passes.")
@moving_options
def walk(walks: int, stops: int, steps: int | None, fps: float, out: Path, **drawing: Any) -> None:
    """Draw what lies between samples, on a way through z.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws. All labels go the same way,
    in a picture downwards, with a column for each label. A film goes on to its beginning, so that it has no seam.
    """
    from cgan_dist.pictures.walk import walk_cells, walk_film, walk_picture

    is_film, asked = _is_film(out), Drawing(**drawing)
    chosen = asked.choose(WALK_COLUMNS)
    names = asked.sampler.label_space.describe(chosen)
    cells = walk_cells(asked.sampler, chosen, walks, stops, _steps(steps, is_film), closed=is_film)
    if is_film:
        walk_film(cells, names, fps).write(out)
    else:
        write_picture(walk_picture(cells, names), out)
    say(f"{out}: {walks} walk{'s' * (walks > 1)} of {len(cells)} steps, {len(names)} labels")


@click.command(cls=UserCommand)
@click.option("--rows", default=6, show_default=True, type=click.IntRange(1), help="z's, each held while labels move.")
@moving_options
def slide(rows: int, steps: int | None, fps: float, out: Path, **drawing: Any) -> None:
    """Draw what lies between labels, with z held.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws. The label moves from the first of --labels
    to the next and so on; classes and attributes are mixed on the way. A picture has a row for each z and a column for
    each step. A film goes on to its beginning, so that it has no seam.
    """
    from cgan_dist.pictures.sliders import draw_slider

    is_film, asked = _is_film(out), Drawing(**drawing)
    chosen = asked.choose(SLIDER_STOPS)
    slider = draw_slider(asked.sampler, chosen, rows, _steps(steps, is_film), closed=is_film)
    if is_film:
        slider.film(fps).write(out)
    else:
        write_picture(slider.picture(), out)
    say(f"{out}: {len(slider.heads)} steps between {len(chosen)} labels, {rows} z")


def _is_film(out: Path) -> bool:
    """Whether a name is that of a film; that there is ffmpeg for it is known before anything is drawn."""
    from cgan_dist.pictures.film import check_film

    if out.suffix.lower() not in FILMS:
        return False
    check_film(out)
    return True


def _steps(given: int | None, is_film: bool) -> int:
    return given or (FILM_STEPS if is_film else PICTURE_STEPS)
