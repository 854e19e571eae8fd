"""Commands `sample`, `walk` and `slide`: pictures of what a run's generator can do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cgan_dist.command import UserCommand
from cgan_dist.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from cgan_dist.film import Film
    from cgan_dist.sampling import Sampler

GRID_COLUMNS = 16
GRID_CLASSES = 64
WALK_COLUMNS = 10
SLIDER_STOPS = 3
PICTURE_STEPS, FILM_STEPS = 9, 25
PICTURE, FILMS = ".png", (".gif", ".mp4")

LABELS = click.option(
    "--labels",
    help="Classes '0,3,sneaker', attributes 'Smiling=1,Male=0; Smiling', values 'azimuth=30; azimuth=60', or several "
    "kinds 'sneaker,Smiling=1; 3'. Default: some that show what there is.",
)
TRUNCATION = click.option(
    "--truncation",
    type=float,
    help="Keep every entry of z at most this far from 0, e.g. 0.7: clearer and less varied samples.",
)
SEED = click.option("--seed", default=0, show_default=True, help="Another one draws other samples.")
STEPS = click.option(
    "--steps",
    type=click.IntRange(2),
    help=f"Images from one stop to the next, both included. Default: {PICTURE_STEPS}, of a film {FILM_STEPS}.",
)
FPS = click.option(
    "--fps", default=12.0, show_default=True, type=click.FloatRange(1, 50), help="Frames per second of a film."
)
OUT = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="A picture .png, or a film .gif or .mp4."
)


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@LABELS
@click.option("--per-label", default=8, show_default=True, type=click.IntRange(1), help="Rows of the grid.")
@click.option(
    "--z",
    default="random",
    show_default=True,
    type=click.Choice(["random", "fixed"]),
    help="A new z for every image, or one z a row for all labels.",
)
@TRUNCATION
@SEED
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Picture to write, as PNG.")
def sample(
    run: Path, labels: str | None, per_label: int, z: str, truncation: float | None, seed: int, out: Path
) -> None:
    """Draw a grid with a column for each label, from the EMA generator of a run folder or a checkpoint."""
    sampler = _sampler(run, truncation, seed)
    kind = sampler.label_space.schema.kind
    chosen = _labels(sampler, labels, GRID_CLASSES if kind == "classes" else GRID_COLUMNS)
    try:
        sampler.grid(chosen, per_label, z, 0).save(out, format="PNG")
    except OSError as error:
        raise UserError(f"--out {out}: cannot write: {error.strerror or error}.") from error
    click.echo(f"{out}: {len(chosen)} labels, {per_label} samples of each")


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@LABELS
@click.option("--walks", default=1, show_default=True, type=click.IntRange(1), help="Ways through z, one per row.")
@click.option("--stops", default=3, show_default=True, type=click.IntRange(2), help="Samples that each way passes.")
@STEPS
@FPS
@TRUNCATION
@SEED
@OUT
def walk(
    run: Path,
    labels: str | None,
    walks: int,
    stops: int,
    steps: int | None,
    fps: float,
    truncation: float | None,
    seed: int,
    out: Path,
) -> None:
    """Walk from sample to sample through z, all labels along the same way.

    In a picture the way goes down, a column for each label. A film goes on to its beginning, so that it has no seam.
    """
    from cgan_dist.walk import walk_cells, walk_film, walk_picture

    is_film = _is_film(out)
    sampler = _sampler(run, truncation, seed)
    chosen = _labels(sampler, labels, WALK_COLUMNS)
    names = sampler.label_space.describe(chosen)
    cells = walk_cells(sampler, chosen, walks, stops, _steps(steps, is_film), closed=is_film)
    if is_film:
        _write(out, walk_film(cells, names, fps))
    else:
        _write(out, lambda: walk_picture(cells, names))
    click.echo(f"{out}: {walks} walk{'s' * (walks > 1)} of {len(cells)} steps, {len(names)} labels")


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@LABELS
@click.option("--rows", default=6, show_default=True, type=click.IntRange(1), help="z's, each held while labels move.")
@STEPS
@FPS
@TRUNCATION
@SEED
@OUT
def slide(
    run: Path,
    labels: str | None,
    rows: int,
    steps: int | None,
    fps: float,
    truncation: float | None,
    seed: int,
    out: Path,
) -> None:
    """Move the label from the first of --labels to the next and so on, with z held: classes and attributes are mixed.

    A picture has a row for each z and a column for each step. A film goes on to its beginning, so that it has no seam.
    """
    from cgan_dist.sliders import draw_slider

    is_film = _is_film(out)
    sampler = _sampler(run, truncation, seed)
    chosen = _labels(sampler, labels, SLIDER_STOPS)
    slider = draw_slider(sampler, chosen, rows, _steps(steps, is_film), closed=is_film)
    _write(out, slider.film(fps) if is_film else slider.picture)
    click.echo(f"{out}: {len(slider.heads)} steps between {len(chosen)} labels, {rows} z")


def _sampler(run: Path, truncation: float | None, seed: int) -> Sampler:
    from cgan_dist.checkpoint import find_checkpoint
    from cgan_dist.distributed import local_device
    from cgan_dist.saved import load_sampler

    sampler = load_sampler(find_checkpoint(run), seed, local_device())
    sampler.truncate(truncation)
    return sampler


def _labels(sampler: Sampler, labels: str | None, columns: int) -> Tensor:
    space = sampler.label_space
    return space.grid(columns) if labels is None else space.parse(labels)


def _steps(given: int | None, is_film: bool) -> int:
    return given or (FILM_STEPS if is_film else PICTURE_STEPS)


def _is_film(out: Path) -> bool:
    """Whether a name is that of a film; the file must be possible to write, which is known before anything is drawn."""
    from cgan_dist.film import check_film

    if out.suffix.lower() == PICTURE:
        return False
    if out.suffix.lower() not in FILMS:
        raise UserError(f"--out {out}: expected a name that ends in .png, or .gif or .mp4 for a film.")
    check_film(out)
    return True


def _write(out: Path, content: Film | Callable[[], Any]) -> None:
    if not callable(content):
        content.write(out)
        return
    try:
        content().save(out, format="PNG")
    except OSError as error:
        raise UserError(f"--out {out}: cannot write: {error.strerror or error}.") from error
