"""Command `encode`: a set of pictures as the latents of an autoencoder."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.out import OutFolder
from cgan_dist.commands.place import LocalPath, Place

OPTION = "--autoencoder"


@click.command(cls=UserCommand)
@click.argument("data", type=Place())
@click.option(OPTION, required=True, type=LocalPath(), help="Folder of an AutoencoderKL of diffusers.")
@click.option("--out", required=True, type=OutFolder(), help="Folder to make.")
@click.option(
    "--moments/--no-moments",
    default=True,
    show_default=True,
    help="Keep the variance of each value too, so that training samples anew at each look; or the mean alone, which "
    "takes half the room.",
)
@click.option(
    "--batch-size",
    default=16,
    show_default=True,
    type=click.IntRange(1, 4096),
    help="Pictures encoded at once.",
)
def encode(data: Path | str, autoencoder: Path, out: Path, moments: bool, batch_size: int) -> None:
    """Encode a set of shards by an autoencoder, to train on its latents.

    DATA is a folder that `cgan-dist prepare` wrote, or its URL. Killed, it goes on when the same command is given
    again, and ends with the same files. Several processes share the shards:

    accelerate launch launch/encode.py DATA ...
    """
    import torch

    from cgan_dist.commands.data import SHEET, describe
    from cgan_dist.data.latent_set import LatentSet
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage
    from cgan_dist.distributed.group import build_accelerator, leave_group
    from cgan_dist.distributed.main_alone import on_main
    from cgan_dist.latents.autoencoder import load_autoencoder
    from cgan_dist.latents.autoencoder_folder import open_autoencoder
    from cgan_dist.latents.latent_range import LatentRange

    network = load_autoencoder(open_autoencoder(autoencoder, OPTION))
    pictures = ShardSet(Storage(data), cache="none")
    wanted = LatentSet(pictures, network, out, moments, batch_size)
    accelerator = build_accelerator("no", tf32=False)
    torch.backends.cudnn.benchmark = False  # an algorithm that the clock chooses need not have the same last bits
    torch.backends.cudnn.deterministic = True
    network.to(accelerator.device)
    rank, processes, is_main = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    on_main(accelerator, wanted.open)
    wanted.encode(rank, processes)
    leave_group(accelerator)  # when all have encoded; none need wait while the main process ends it
    if not is_main:
        return
    manifest = wanted.finish()
    made = ShardSet(Storage(out), cache="none")
    assert manifest.image.latents is not None
    made.decoder = LatentRange(manifest.image.latents, network)
    describe(made, out / SHEET)
