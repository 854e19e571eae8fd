"""`kmnist`: Clanuwat and others' cursive Japanese characters (arXiv:1812.01718), Kuzushiji-MNIST or Kuzushiji-49."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from cgan_dist.data.source import Source
from cgan_dist.data.sources.class_numbers import numbered
from cgan_dist.data.sources.files import check_split, existing_folder
from cgan_dist.data.sources.idx import find_idx, load_pairs
from cgan_dist.data.sources.npz import images_of, read_npz
from cgan_dist.errors import UserError

KMNIST = "o ki su tsu na ha ma ya re wo"
K49 = """
    a i u e o ka ki ku ke ko sa shi su se so ta chi tsu te to na ni nu ne no ha hi fu he ho
    ma mi mu me mo ya yu yo ra ri ru re ro wa wi we wo n iteration
"""
NAMES = {"kmnist": list(KMNIST.split()), "k49": list(K49.split())}
"""What the characters say, in the order of their numbers; the last is the mark that says one again."""
SPLITS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}
HOME = "https://github.com/rois-codh/kmnist"
ARRAY = "arr_0"


def load(folder: Path | None, split: str, *, subset: Literal["kmnist", "k49"] = "kmnist") -> Source:
    """Reads `kmnist-train-imgs.npz`, `kmnist-train-labels.npz` and their like, or Kuzushiji-MNIST's IDX files.

    Args:
        folder: of the files.
        split: `train`, `test` or `all` of them.
        subset: `kmnist` (70,000 images in 10 classes) or `k49` (270,912 in 49).

    Raises:
        UserError: if a file is missing, damaged or pickled, or images and labels do not match.
    """
    check_split(split, tuple(SPLITS))
    folder = existing_folder(folder, "kmnist", f"the files of {HOME}")
    title = "Kuzushiji-MNIST" if subset == "kmnist" else "Kuzushiji-49"
    if subset == "kmnist" and not (folder / "kmnist-train-imgs.npz").exists() and _has_idx(folder):
        return load_pairs(folder, split, tuple(NAMES[subset]), f"{title} from {folder}")
    images, labels = [], []
    for part in SPLITS[split]:
        images.append(_array(folder, f"{subset}-{part}-imgs.npz"))
        labels.append(_array(folder, f"{subset}-{part}-labels.npz"))
    for pixels, part in zip(images, SPLITS[split], strict=True):
        images_of(pixels, f"{folder / f'{subset}-{part}-imgs.npz'}")
    pixels, numbers = np.concatenate(images), np.concatenate(labels)
    where = f"{title} from {folder} ({split})"
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise UserError(f"{where}: labels are {numbers.shape} {numbers.dtype}; expected (N,) integers. Fetch it again.")
    return numbered(images_of(pixels, where), numbers, NAMES[subset], where)


def _array(folder: Path, name: str) -> np.ndarray:
    if not (folder / name).is_file():
        raise UserError(f"{folder}: {name} is missing; the folder must hold the files of {HOME}.")
    return read_npz(folder / name, (ARRAY,))[ARRAY]


def _has_idx(folder: Path) -> bool:
    try:
        return find_idx(folder, "train-images-idx3-ubyte").is_file()
    except UserError:
        return False
