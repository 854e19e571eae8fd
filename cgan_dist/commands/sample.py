"""Command `sample`: pictures from a run's generator."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.command import UserCommand
from cgan_dist.errors import UserError

GRID_COLUMNS = 16
GRID_CLASSES = 64


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    help="Classes '0,3,sneaker', attributes 'Smiling=1,Male=0; Smiling', values 'azimuth=30; azimuth=60', or several "
    "kinds 'sneaker,Smiling=1; 3'. If left out, a png shows what there is, and an npz is balanced over classes or, for "
    "other labels, as the data is.",
)
@click.option("--per-label", default=8, show_default=True, type=click.IntRange(1), help="Rows of the grid.")
@click.option(
    "--z",
    default="random",
    show_default=True,
    type=click.Choice(["random", "fixed"]),
    help="A new z for every image, or one z a row for all labels.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--format", "kind", default="png", show_default=True, type=click.Choice(["png", "npz"]))
@click.option("--count", default=10_000, show_default=True, type=click.IntRange(1), help="Images of an npz file.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
def sample(run: Path, labels: str | None, per_label: int, z: str, seed: int, kind: str, count: int, out: Path) -> None:
    """Draw a grid (png) or many images (npz) from the EMA generator of a run folder or a checkpoint."""
    from cgan_dist.checkpoint import find_checkpoint
    from cgan_dist.distributed import local_device
    from cgan_dist.sampling import save_npz
    from cgan_dist.saved import load_sampler

    context = click.get_current_context()
    for option in ("z", "per_label") if kind == "npz" else ("count",):
        if context.get_parameter_source(option) is not click.core.ParameterSource.DEFAULT:
            raise UserError(f"--{option.replace('_', '-')} has no meaning for --format {kind}; leave it out.")
    checkpoint = find_checkpoint(run)
    sampler = load_sampler(checkpoint, seed, local_device())
    space = sampler.label_space
    chosen = space.parse(labels) if labels is not None else None
    try:
        if kind == "npz":
            save_npz(out, *(sampler.fair(count) if chosen is None else sampler.balanced(chosen, count)))
        else:
            if chosen is None:
                chosen = space.grid(GRID_CLASSES if space.schema.kind == "classes" else GRID_COLUMNS)
            sampler.grid(chosen, per_label, z, 0).save(out, format="PNG")
    except OSError as error:
        raise UserError(f"--out {out}: cannot write: {error.strerror or error}.") from error
    click.echo(f"{out}: {f'{count:,} images' if kind == 'npz' else 'grid'} from {checkpoint.folder}")
