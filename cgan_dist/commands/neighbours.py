"""Command `neighbours`: samples beside the real images nearest to them."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.command import UserCommand
from cgan_dist.commands.sample import LABELS, SEED, TRUNCATION
from cgan_dist.errors import UserError

COLUMNS = 10
PIXELS = "pixels"


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@LABELS
@click.option("--per-label", default=1, show_default=True, type=click.IntRange(1), help="Samples of each label.")
@click.option("--k", default=3, show_default=True, type=click.IntRange(1), help="Real images below each sample.")
@click.option("--features", default=PIXELS, show_default=True, help="What is compared: pixels, classifier, inception.")
@click.option("--data", type=click.Path(path_type=Path), help="Shards, if they moved since training.")
@TRUNCATION
@SEED
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Picture to write, as PNG.")
def neighbours(
    run: Path,
    labels: str | None,
    per_label: int,
    k: int,
    features: str,
    data: Path | None,
    truncation: float | None,
    seed: int,
    out: Path,
) -> None:
    """Draw samples, and below each the real training images that are nearest to it, whatever their labels."""
    from cgan_dist.checkpoint import find_checkpoint
    from cgan_dist.distributed import local_device
    from cgan_dist.features import FEATURES
    from cgan_dist.neighbours import Embed, draw_neighbours, embedding_of, pixels
    from cgan_dist.saved import load_sampler, load_shards
    from cgan_dist.selection import Selection

    checkpoint, device = find_checkpoint(run), local_device()
    sampler = load_sampler(checkpoint, seed, device)
    sampler.truncate(truncation)
    space = sampler.label_space
    reals = Selection(load_shards(checkpoint, data, "--data"), space)
    reals.shards.verify_if_small()
    embed: Embed = pixels
    if features != PIXELS:
        embed = embedding_of(FEATURES.build(features, "--features", {}, label_space=space), reals, device)
    chosen = space.grid(COLUMNS) if labels is None else space.parse(labels)
    found = draw_neighbours(sampler, reals, chosen, per_label, k, embed)
    try:
        found.picture.save(out, format="PNG")
    except OSError as error:
        raise UserError(f"--out {out}: cannot write: {error.strerror or error}.") from error
    click.echo(
        f"{out}: median distance in {features} to the nearest of {len(reals):,} real images: {found.of_samples:.4g} "
        f"from samples, {found.of_reals:.4g} from other real images"
    )
