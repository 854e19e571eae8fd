"""Command `directions`: what moves a run's images most, and what moves what a classifier reads in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.drawing import Drawing, drawing_options
from cgan_dist.commands.out import OutFolder, make_folder
from cgan_dist.commands.place import Place
from cgan_dist.commands.say import say
from cgan_dist.pictures.picture_file import write_picture

FILE, SHEET = "directions.safetensors", "directions.png"
ROWS = 2


@click.command(cls=UserCommand)
@drawing_options
@click.option("--out", required=True, type=OutFolder(), help="Folder to write to; made if it is not there.")
@click.option(
    "--factors",
    default=5,
    show_default=True,
    type=click.IntRange(0, 1_000),
    help="So many directions that the generator's first layer amplifies most; 0 for none.",
)
@click.option(
    "--read",
    help="Also those along which these labels of the data rise most, as its classifier reads them: names separated by "
    "commas, or all.",
)
@click.option(
    "--pairs", default=10_000, show_default=True, type=click.IntRange(1), help="Of samples to read, for --read."
)
@click.option("--data", type=Place(), help="Shards, a folder or a URL, for the classifier. Default: those of training.")
@click.option("--steps", default=7, show_default=True, type=click.IntRange(2, 51), help="Columns of the picture.")
@click.option(
    "--reach",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0, 100, min_open=True),
    help="How far its first and last column are from z, in standard deviations of z.",
)
def directions(
    out: Path,
    factors: int,
    read: str | None,
    pairs: int,
    data: Path | str | None,
    steps: int,
    reach: float,
    **drawing: Any,
) -> None:
    """Find directions in z that change a generator's images most.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) is looked at. Into the folder of --out go
    directions.safetensors, which `demo --directions` takes, and directions.png: a row for each direction and each of
    --labels, with z in the middle.
    """
    from cgan_dist.assembly.directing import facts_of, find_directions
    from cgan_dist.directions.directions_file import write_directions
    from cgan_dist.pictures.directions import draw_directions

    asked = Drawing(**drawing)
    chosen = asked.choose(ROWS)
    found = find_directions(asked.checkpoint, asked.sampler, factors, read, pairs, data, asked.trust_code)
    picture = draw_directions(asked.sampler, found.names, found.vectors, chosen, steps, reach)
    make_folder(out)
    write_directions(found, facts_of(asked.checkpoint, asked.sampler, found), out / FILE)
    write_picture(picture, out / SHEET)
    width = max(map(len, found.names))
    for name, strength in zip(found.names, found.strengths.tolist(), strict=True):
        say(f"  {name:{width}}  {strength:.1%}")
    say(f"{out}: {len(found)} directions")
