"""Picture files brought to the form that a run's data has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from cgan_dist.bounds import FOUND_PICTURES
from cgan_dist.data.fitting import Fill, Fitting, Way
from cgan_dist.data.sources.picture import SUFFIXES, read_picture
from cgan_dist.errors import UserError


class Targets(NamedTuple):
    """What is to be found: the pictures' names, and (P, C, H, W) uint8."""

    names: list[str]
    images: Tensor


def read_targets(
    paths: Sequence[Path], shape: tuple[int, int, int], way: Way = "crop", fill: Fill = "white"
) -> Targets:
    """Reads pictures, and crops and resizes them as the data was prepared.

    Args:
        paths: of picture files, or of folders, all pictures below which are taken in the order of their names.
        shape: (C, H, W) that they are brought to.
        way: how, see `Fitting`; `crop` is what `prepare` does unless it is told otherwise.
        fill: of the sides, with `pad`.

    Raises:
        UserError: for a file that is no picture, or is damaged or larger than pictures may be, an empty folder, or too
            many pictures.
    """
    channels, height, width = shape
    fitting = Fitting(size=(width, height), way=way, fill=fill, channels=1 if channels == 1 else 3)
    files = _files(paths)
    images = np.stack([fitting(read_picture(file)) for file in files])
    return Targets([_named(file) for file in files], rearrange(torch.from_numpy(images), "p h w c -> p c h w"))


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        before = len(found)
        for file in sorted(_below(path)) if path.is_dir() else [path]:
            found.append(file)
            FOUND_PICTURES.check(len(found), path)
        if len(found) == before:
            raise UserError(f"{path}: no pictures in this folder; expected files that end in {', '.join(SUFFIXES)}.")
    return found


def _below(folder: Path) -> Iterator[Path]:
    """Pictures below a folder; hidden files and folders, and links to folders, are skipped."""
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                count += 1
                FOUND_PICTURES.check(count, folder)
                yield Path(root, name)


def _named(file: Path) -> str:
    """A short name for the picture: what a person knows it by."""
    return file.name
