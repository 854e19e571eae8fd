"""Command `generate`: as many images as one likes, as files."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.commands.base import RUN, UserCommand
from cgan_dist.commands.code import AUTOENCODER_OPTION, TRUST_OPTION, naming
from cgan_dist.commands.drawing import SEED, TRUNCATION
from cgan_dist.commands.out import OutFolder
from cgan_dist.commands.place import LocalPath
from cgan_dist.commands.say import say
from cgan_dist.errors import UserError
from cgan_dist.pictures.picture_file import check_suffix


@click.command(cls=UserCommand)
@RUN
@click.option("--count", default=10_000, show_default=True, type=click.IntRange(1), help="Images to draw.")
@naming("--format", "form", default="folder", show_default=True, help="folder, npz, shards, or module:Class.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the format; shards takes shards=16 and encoding=png. May be given many times.",
)
@click.option(
    "--labels",
    help="Labels that take turns, as for sample. Default: all classes; other labels are drawn as the data has them.",
)
@click.option("--as-data", is_flag=True, help="Draw classes, too, as often as the data has them.")
@TRUNCATION
@SEED
@AUTOENCODER_OPTION
@TRUST_OPTION
@click.option("--out", required=True, type=LocalPath(), help="Folder to make, or .npz to write.")
def generate(
    run: Path,
    count: int,
    form: str,
    options: tuple[str, ...],
    labels: str | None,
    as_data: bool,
    truncation: float | None,
    seed: int,
    autoencoder: Path | None,
    trust_code: bool,
    out: Path,
) -> None:
    """Draw as many images as you like, and keep them with labels.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws. Killed, it goes on when the same command is
    given again, and ends with the same files. Several processes share the work:

    accelerate launch launch/generate.py RUN ...
    """
    import torch

    from cgan_dist.assembly.saved import load_sampler
    from cgan_dist.checkpoints.store import find_checkpoint
    from cgan_dist.config.yaml_text import set_dotted
    from cgan_dist.distributed.group import build_accelerator, leave_group
    from cgan_dist.distributed.main_alone import on_main
    from cgan_dist.image_sets.request import request_set
    from cgan_dist.runs.folder import start_logging

    if labels is not None and as_data:
        raise UserError("--as-data has no meaning with --labels; give one of them.")
    _check_out(out, form)
    checkpoint = find_checkpoint(run)
    accelerator = build_accelerator("no", tf32=False)
    if not accelerator.is_main_process:
        start_logging(None)
    torch.backends.cudnn.benchmark = False  # an algorithm that the clock chooses need not have the same last bits
    torch.backends.cudnn.deterministic = True
    sampler = load_sampler(checkpoint, seed, accelerator.device, trust_code, autoencoder)
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
    say(f"{out}: {count:,} images{'' if to_do else ', all there already'} from {checkpoint.folder}")


def _check_out(out: Path, form: str) -> None:
    """A set is a file or a folder, by its form; with a plug-in that says neither, the name is the user's affair."""
    from cgan_dist.image_sets import SET_FORMS

    suffix = getattr(SET_FORMS.resolve(form, "--format"), "suffix", None)
    try:
        if suffix:
            check_suffix(out, [suffix])
        elif suffix == "":
            OutFolder().check(out)
    except UserError as error:
        raise UserError(f"--out {error} It is what --format {form} makes.") from error
