"""Command `neighbours`: samples beside the real images nearest to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.code import naming
from cgan_dist.commands.drawing import PICTURE, Drawing, drawing_options
from cgan_dist.commands.place import Place
from cgan_dist.commands.say import say
from cgan_dist.pictures.picture_file import write_picture

COLUMNS = 10
PIXELS = "pixels"


@click.command(cls=UserCommand)
@click.option("--per-label", default=1, show_default=True, type=click.IntRange(1), help="Samples of each label.")
@click.option("--k", default=3, show_default=True, type=click.IntRange(1), help="Real images below each sample.")
@naming("--features", default=PIXELS, show_default=True, help="What is compared: pixels, classifier, inception.")
@click.option("--data", type=Place(), help="Shards, a folder or a URL. Default: those of training.")
@drawing_options
@PICTURE
def neighbours(per_label: int, k: int, features: str, data: Path | str | None, out: Path, **drawing: Any) -> None:
    """Draw samples, and below each the nearest real images.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws. All images that it was
    trained on are looked at, whatever their labels.
    """
    from cgan_dist.assembly.saved import load_shards
    from cgan_dist.distributed.launch import local_device
    from cgan_dist.evaluation.features import FEATURES
    from cgan_dist.evaluation.selection import Selection
    from cgan_dist.pictures.neighbours import Embed, draw_neighbours, embedding_of, pixels

    asked = Drawing(**drawing)
    space = asked.sampler.label_space
    reals = Selection(load_shards(asked.checkpoint, data, "--data", asked.trust_code, asked.sampler), space)
    reals.shards.verify_if_small()
    embed: Embed = pixels
    if features != PIXELS:
        embed = embedding_of(FEATURES.build(features, "--features", {}, label_space=space), reals, local_device())
    found = draw_neighbours(asked.sampler, reals, asked.choose(COLUMNS), per_label, k, embed)
    write_picture(found.picture, out)
    say(
        f"{out}: median distance in {features} to the nearest of {len(reals):,} real images: {found.of_samples:.4g} "
        f"from samples, {found.of_reals:.4g} from other real images"
    )
