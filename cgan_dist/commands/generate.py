"""Command `generate`: as many images as one likes, as files."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.command import UserCommand
from cgan_dist.errors import UserError


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--count", default=10_000, show_default=True, type=click.IntRange(1), help="Images to draw.")
@click.option("--format", "form", default="folder", show_default=True, help="folder, npz, shards, or module:Class.")
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the format: shards=16, encoding=png (shards)."
)
@click.option(
    "--labels",
    help="Labels that take turns, as for sample. Default: all classes; other labels are drawn as the data has them.",
)
@click.option("--as-data", is_flag=True, help="Draw classes, too, as often as the data has them.")
@click.option("--truncation", type=float, help="Keep every entry of z at most this far from 0, e.g. 0.7.")
@click.option("--seed", default=0, show_default=True, help="Another one draws other images.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder or npz file to make.")
def generate(
    run: Path,
    count: int,
    form: str,
    options: tuple[str, ...],
    labels: str | None,
    as_data: bool,
    truncation: float | None,
    seed: int,
    out: Path,
) -> None:
    """Draw many images from the EMA generator of a run folder or a checkpoint, and keep them with their labels.

    Killed, it goes on when the same command is given again, and ends with the same files. Several processes share the
    work: accelerate launch launch/generate.py RUN ...
    """
    import torch

    from cgan_dist.checkpoint import find_checkpoint
    from cgan_dist.distributed import build_accelerator, leave_group, on_main
    from cgan_dist.generated.request import request_set
    from cgan_dist.saved import load_sampler
    from cgan_dist.yaml_text import set_dotted

    if labels is not None and as_data:
        raise UserError("--as-data has no meaning with --labels; give one of them.")
    checkpoint = find_checkpoint(run)
    accelerator = build_accelerator("no", tf32=False)
    torch.backends.cudnn.benchmark = False  # an algorithm that the clock chooses need not have the same last bits
    torch.backends.cudnn.deterministic = True
    sampler = load_sampler(checkpoint, seed, accelerator.device)
    sampler.truncate(truncation)
    arguments: dict[str, object] = {}
    for option in options:
        set_dotted(arguments, option)
    wanted = request_set(checkpoint, sampler, out, count, form, arguments, labels, as_data)
    rank, processes, is_main = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    to_do = on_main(accelerator, wanted.open)
    if to_do:
        wanted.draw(rank, processes)
    leave_group(accelerator)  # when all have drawn; none need wait while the main process packs
    if not is_main:
        return
    if to_do:
        wanted.finish()
    click.echo(f"{out}: {count:,} images{'' if to_do else ', all there already'} from {checkpoint.folder}")
