"""`medmnist`: Yang and others' medical images (arXiv:2110.14795), one npz file for each set, with its three splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.sources.class_numbers import numbered
from cgan_dist.data.sources.files import check_split, first_repeated
from cgan_dist.data.sources.label_columns import bits
from cgan_dist.data.sources.npz import images_of, read_npz
from cgan_dist.data.sources.splits import kind_of
from cgan_dist.errors import UserError, close_match

KEYS = {"train": "train", "valid": "val", "test": "test"}
HOME = "https://medmnist.com"


def load(folder: Path | None, split: str, *, file: str | None = None, class_names: list[str] | None = None) -> Source:
    """Reads `bloodmnist.npz` and its like: `train_images`, `train_labels`, and so on with `val_` and `test_`.

    Labels of one column are the numbers of classes, of several columns attributes (chestmnist). Names are not in the
    files, but on the publisher's page.

    Args:
        folder: the file, or its folder.
        split: `train`, `valid`, `test` or `all` of them.
        file: its name, where a folder has several.
        class_names: of the classes or attributes, which else are numbered.

    Raises:
        UserError: if the file is missing, damaged or pickled, holds volumes, or an array is missing or does not match.
    """
    split = kind_of(split)
    check_split(split, (*KEYS, "all"))
    path = _file(folder, file)
    parts = [KEYS[split]] if split != "all" else list(KEYS.values())
    wanted = [f"{part}_{kind}" for part in parts for kind in ("images", "labels")]
    arrays = read_npz(path, wanted)
    for key in wanted[::2]:
        if arrays[key].ndim == 4 and arrays[key].shape[3] not in (1, 3):
            raise UserError(f"{path}: {key} are {arrays[key].shape}: volumes, of which no generator here makes any.")
        images_of(arrays[key], f"{path}, {key}")
    images = images_of(np.concatenate([arrays[key] for key in wanted[::2]]), str(path))
    labels = np.concatenate([arrays[key] for key in wanted[1::2]])
    return _labelled(images, labels, class_names, f"{path} ({split})")


def _labelled(images: NDArray[np.uint8], labels: NDArray[Any], names: list[str] | None, description: str) -> Source:
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or not labels.shape[1] or len(labels) != len(images):
        raise UserError(
            f"{description}: labels are {labels.shape} {labels.dtype} for {len(images)} images; expected (N, 1) "
            "numbers of classes, or (N, A) of 0 and 1."
        )
    if labels.shape[1] == 1:
        return numbered(images, labels[:, 0], names, description)
    if names is not None and (len(names) != labels.shape[1] or first_repeated(names)):
        raise UserError(
            f"class_names: {len(names)}, expected a different name for each of {labels.shape[1]} attributes."
        )
    found, schema = bits(labels, names, description)
    return Source(labels=found, schema=schema, read=InMemory(images), description=description)


def _file(folder: Path | None, file: str | None) -> Path:
    contents = f"a file of {HOME} such as bloodmnist.npz"
    if folder is None or not folder.exists():
        raise UserError(f"--source {folder}: medmnist needs {contents}, or the folder of one.")
    if folder.is_file():
        return folder
    names = sorted(path.name for path in folder.glob("*.npz"))
    if file is not None:
        if file not in names:
            raise UserError(f"file: {folder} has no '{file}'.{close_match(file, names)} It has {', '.join(names)}.")
        return folder / file
    if len(names) != 1:
        found = f"several files; name one: --option file={names[0]}" if names else f"no npz file; expected {contents}"
        raise UserError(f"{folder}: {found}.")
    return folder / names[0]
