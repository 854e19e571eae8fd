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
from cgan_dist.commands.found import FOUND_Z, ZSource, found_z
from cgan_dist.commands.say import say
from cgan_dist.errors import UserError
from cgan_dist.pictures.picture_file import FILMS, write_picture

GRID_COLUMNS, GRID_ROWS = 16, 8
GRID_CLASSES = 64
WALK_COLUMNS, WALK_STOPS = 10, 3
SLIDER_STOPS, SLIDER_ROWS = 3, 6


@click.command(cls=UserCommand)
@click.option("--per-label", type=click.IntRange(1), help=f"Rows of the grid. Default: {GRID_ROWS}.")
@click.option(
    "--z",
    default="random",
    show_default=True,
    type=ZSource("random", "fixed"),
    help="A new z for every image, one z a row for all labels, or a row for each z of a file that `invert` has made.",
)
@drawing_options
@PICTURE
def sample(per_label: int | None, z: str | Path, out: Path, **drawing: Any) -> None:
    """Draw a grid of samples with a column for each label.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws.
    """
    asked = Drawing(**drawing)
    kind = asked.sampler.label_space.schema.kind
    chosen = asked.choose(GRID_CLASSES if kind == "classes" else GRID_COLUMNS)
    source = z if isinstance(z, str) else found_z(asked, z, len(chosen), **{"per-label": per_label})
    rows = (per_label or GRID_ROWS) if isinstance(source, str) else len(source)
    write_picture(asked.sampler.grid(chosen, rows, source, 0), out)
    say(f"{out}: {len(chosen)} labels, {rows} samples of each")


@click.command(cls=UserCommand)
@click.option("--walks", type=click.IntRange(1), help="Ways through z, one per row. Default: 1.")
@click.option("--stops", type=click.IntRange(2), help=f"Samples that each way passes. Default: {WALK_STOPS}.")
@FOUND_Z
@moving_options
def walk(
    walks: int | None, stops: int | None, z: Path | None, steps: int | None, fps: float, out: Path, **drawing: Any
) -> None:
    """Draw what lies between samples, on a way through z.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws. All labels go the same way,
    in a picture downwards, with a column for each label. A film goes on to its beginning, so that it has no seam. With
    --z one way passes all z that were found.
    """
    from cgan_dist.pictures.walk import walk_cells, walk_film, walk_picture

    is_film, asked = is_film_name(out), Drawing(**drawing)
    chosen = asked.choose(WALK_COLUMNS)
    names = asked.sampler.label_space.describe(chosen)
    latents = None if z is None else found_z(asked, z, len(chosen) * steps_of(steps, is_film), walks=walks, stops=stops)
    walks, stops = walks or 1, (stops or WALK_STOPS) if latents is None else len(latents)
    if stops < 2:
        raise UserError(f"--z {z}: found one z; expected two or more to walk between.")
    cells = walk_cells(asked.sampler, chosen, walks, stops, steps_of(steps, is_film), is_film, latents)
    if is_film:
        walk_film(cells, names, fps).write(out)
    else:
        write_picture(walk_picture(cells, names), out)
    say(f"{out}: {walks} walk{'s' * (walks > 1)} of {len(cells)} steps, {len(names)} labels")


@click.command(cls=UserCommand)
@click.option(
    "--rows", type=click.IntRange(1), help=f"z's, each held while labels move. Default: {SLIDER_ROWS}, of --z all."
)
@FOUND_Z
@moving_options
def slide(rows: int | None, z: Path | None, steps: int | None, fps: float, out: Path, **drawing: Any) -> None:
    """Draw what lies between labels, with z held.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws. The label moves from the first of --labels
    to the next and so on; classes and attributes are mixed on the way. A picture has a row for each z and a column for
    each step. A film goes on to its beginning, so that it has no seam.
    """
    from cgan_dist.pictures.sliders import draw_slider

    is_film, asked = is_film_name(out), Drawing(**drawing)
    chosen = asked.choose(SLIDER_STOPS)
    latents = None if z is None else found_z(asked, z, len(chosen) * steps_of(steps, is_film), rows=rows)
    rows = (rows or SLIDER_ROWS) if latents is None else len(latents)
    slider = draw_slider(asked.sampler, chosen, rows, steps_of(steps, is_film), is_film, latents)
    if is_film:
        slider.film(fps).write(out)
    else:
        write_picture(slider.picture(), out)
    say(f"{out}: {len(slider.heads)} steps between {len(chosen)} labels, {rows} z")


def is_film_name(out: Path) -> bool:
    """Whether a name is that of a film; that there is ffmpeg for it is known before anything is drawn."""
    from cgan_dist.pictures.film import check_film

    if out.suffix.lower() not in FILMS:
        return False
    check_film(out)
    return True


def steps_of(given: int | None, is_film: bool) -> int:
    """What was given, or the number for a film or a picture."""
    return given or (FILM_STEPS if is_film else PICTURE_STEPS)
