"""A model folder: a generator's weights and config, and what else `cgan-dist export` puts beside them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from cgan_dist import __version__
from cgan_dist.bounds import regular
from cgan_dist.errors import UserError
from cgan_dist.files.whole import leaves
from cgan_dist.latents.autoencoder_folder import CONFIG as AUTOENCODER_CONFIG
from cgan_dist.latents.autoencoder_folder import WEIGHTS as AUTOENCODER_WEIGHTS
from cgan_dist.latents.autoencoder_folder import open_autoencoder
from cgan_dist.sharing.config import CONFIG, ModelConfig, read_model_config

WEIGHTS, CARD, GRID, ONNX, TORCH_EXPORT = "model.safetensors", "README.md", "grid.png", "model.onnx", "model.pt2"
ONNX_DATA = "model.onnx.data"
"""Beside a `model.onnx` of more than 2 GB, which cannot be one file."""
AUTOENCODER = "autoencoder"
"""Folder in it, where the generator draws latents: what decodes them, as diffusers keeps it."""
OF_AUTOENCODER = tuple(f"{AUTOENCODER}/{name}" for name in (AUTOENCODER_CONFIG, AUTOENCODER_WEIGHTS))
FILES = (CONFIG, WEIGHTS, CARD, GRID, ONNX, ONNX_DATA, TORCH_EXPORT, *OF_AUTOENCODER)
"""All that can belong to it."""
AGAIN = "Export the model, or download it, again."


def is_model_folder(folder: Path) -> bool:
    """Whether a folder is meant as one: it has a model folder's config, or weights or graphs and may have lost it."""
    return any((folder / name).is_file() for name in FILES if name not in (CARD, GRID, *OF_AUTOENCODER))


def write_weights(folder: Path, config: ModelConfig, tensors: Mapping[str, Tensor]) -> None:
    """Writes weights, and the config with their hash.

    Args:
        folder: that is there.
        config: of the generator.
        tensors: of its state, on any device.
    """
    content = save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()})
    (folder / WEIGHTS).write_bytes(content)
    written = {"version": __version__, "weights_sha256": hashlib.sha256(content).hexdigest()}
    (folder / CONFIG).write_text(config.model_copy(update=written).to_json(), encoding="utf-8")


def read_weights(folder: Path, config: ModelConfig) -> dict[str, Tensor]:
    """Reads the weights that a config means.

    Raises:
        UserError: if they are missing or damaged.
    """
    path = folder / WEIGHTS
    try:
        content = regular(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}. {AGAIN}") from error
    if hashlib.sha256(content).hexdigest() != config.weights_sha256:
        raise UserError(f"{path}: damaged: not the file that {CONFIG} means. {AGAIN}")
    try:
        return load(content)
    except Exception as error:  # whatever the parser makes of bytes that no safetensors writer wrote
        raise UserError(f"{path}: no safetensors file: {error}. {AGAIN}") from error


def check_model_folder(folder: Path) -> dict[str, int]:
    """Holds a folder against what a model folder is.

    Returns:
        Name and bytes of each of its files that belong to it; others are left out.

    Raises:
        UserError: if it is none, or damaged, or one of its files is a link out of it.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder; expected a model folder, as `cgan-dist export RUN --out DIR` writes."
        )
    for path in (folder / name for name in FILES):
        if leaves(path, folder):
            raise UserError(
                f"{path}: a link out of the folder, to {os.path.realpath(path)}. What it leads to would be published "
                "under this name; put a copy in its place if that is meant."
            )
    config = read_model_config(folder)
    read_weights(folder, config)
    if config.image.latents is not None:
        open_autoencoder(folder / AUTOENCODER, f"{folder}:").check(config.image.latents)
    if not (folder / CARD).is_file():
        raise UserError(f"{folder}: no {CARD} in it, the model card that says what the model is. {AGAIN}")
    return {name: (folder / name).stat().st_size for name in FILES if (folder / name).is_file()}
