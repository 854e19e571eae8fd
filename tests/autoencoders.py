"""Small autoencoders with random, seeded weights, written by diffusers itself, and sets that they have encoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cgan_dist.data.latent_set import LatentSet
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.latents.autoencoder import Autoencoder, load_autoencoder
from cgan_dist.latents.autoencoder_folder import open_autoencoder

SMALL: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "block_out_channels": [8, 8],
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "sample_size": 16,
    "scaling_factor": 1.5,
    "shift_factor": 0.125,
}


def save_autoencoder(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Writes one into a folder, and returns that."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoencoderKL(**SMALL | changes).save_pretrained(folder)
    return folder


def load(folder: Path) -> Autoencoder:
    """Loads one as the commands do."""
    return load_autoencoder(open_autoencoder(folder, "--autoencoder"))


def latent_set(pictures: Path, autoencoder: Path, out: Path, moments: bool = True) -> LatentSet:
    """A set that is to be."""
    return LatentSet(ShardSet(Storage(pictures), cache="none"), load(autoencoder), out, moments, batch_size=4)


def encoded(pictures: Path, autoencoder: Path, out: Path, moments: bool = True) -> Path:
    """Encodes a set of shards in one piece, and returns its folder."""
    made = latent_set(pictures, autoencoder, out, moments)
    made.open()
    made.encode()
    made.finish()
    return out
