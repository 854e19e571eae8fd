"""`npz`: NumPy arrays in one file, `images` and `labels`; never unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.bounds import check_expansion, regular
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.sources.class_numbers import numbered
from cgan_dist.data.sources.files import check_split, existing_file, existing_folder, first_repeated
from cgan_dist.data.sources.label_columns import bits, reals
from cgan_dist.errors import UserError, close_match

ARRAYS, OPTIONAL = ("images", "labels"), ("class_names",)
OF_OTHERS = {"train_images": "medmnist", "arr_0": "kmnist"}
"""Arrays by which published sets are told that have a source of their own."""
Arrays = dict[str, NDArray[Any]]


def load(folder: Path | None, split: str, *, file: str = "data.npz", first_label: int = 0) -> Source:
    """Reads the arrays; the file is one set, without splits.

    - `images`: (N, H, W), (N, H, W, 1) or (N, H, W, 3) uint8.
    - `labels`: (N,) integers, the numbers of classes; or (N, A) integers or booleans, 0 or 1; or (N, D) floats, whose
      ranges are their least and greatest values.
    - `class_names`, optional: text, one for each class, attribute or value.

    Args:
        folder: of the file.
        split: `train` or `all`, which are the same.
        file: its name.
        first_label: the label of class number 0, where labels do not count from 0.

    Raises:
        UserError: if the file is missing, no npz file, damaged or pickled, or an array is missing or contradicts these.
    """
    check_split(split, ("train", "all"))
    folder = existing_folder(folder, "npz", f"the file {file}")
    path = existing_file(folder, file, "file")
    arrays = read_npz(path, ARRAYS, OPTIONAL)
    images, labels, names = images_of(arrays["images"], str(path)), arrays["labels"], _names(arrays, path)
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        return numbered(images, labels, names, str(path), first_label)
    if labels.ndim != 2 or labels.dtype.kind not in "iubf" or not labels.shape[1]:
        raise UserError(
            f"{path}: labels are {labels.shape} {labels.dtype}; expected (N,) integers, (N, A) of 0 and 1, or (N, D) "
            "floats."
        )
    if len(images) != len(labels):
        raise UserError(f"{path}: {len(images)} images but {len(labels)} labels.")
    if not len(labels):
        raise UserError(f"{path}: no images.")
    if names is not None and (len(names) != labels.shape[1] or first_repeated(names)):
        raise UserError(
            f"{path}: class_names are {names}; expected a different name for each of the "
            f"{labels.shape[1]} columns of labels."
        )
    columns = (reals if labels.dtype.kind == "f" else bits)(labels, names, str(path))
    return Source(labels=columns[0], schema=columns[1], read=InMemory(images), description=str(path))


def images_of(images: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Returns (N, H, W, C) uint8, C being 1 or 3, of images that may lack the C.

    Raises:
        UserError: beginning with `where`, if they are of another shape or type.
    """
    found = images.shape
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        raise UserError(
            f"{where}: images are {found} {images.dtype}; expected (N, H, W), (N, H, W, 1) or (N, H, W, 3) uint8."
        )
    return images


def _names(arrays: Arrays, path: Path) -> list[str] | None:
    if "class_names" not in arrays:
        return None
    names = arrays["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise UserError(f"{path}: class_names are {names.shape} {names.dtype}; expected a list of text.")
    return [str(name) for name in names]


def read_npz(path: Path, names: Sequence[str], optional: Sequence[str] = ()) -> Arrays:
    """Reads arrays of a file by their names; the others in it are not looked at.

    Raises:
        UserError: if it is no npz file, damaged or pickled, or lacks an array that is not optional.
    """
    try:
        if not zipfile.is_zipfile(regular(path)):
            raise UserError(
                f"{path}: not an npz file, or cut off; numpy.savez(file, images=..., labels=...) makes one."
            )
        with zipfile.ZipFile(path) as archive:
            check_expansion(sum(member.file_size for member in archive.infolist()), path)
        with np.load(path, allow_pickle=False) as file:
            for name in names:
                if name not in file:
                    reads = next((source for array, source in OF_OTHERS.items() if array in file), None)
                    near = f" Is it one of {reads}'s? cgan-dist prepare {reads}." if reads else close_match(name, file)
                    raise UserError(f"{path}: no array '{name}'.{near} It has {', '.join(file)}.")
            return {name: np.asarray(file[name]) for name in (*names, *optional) if name in file}
    except UserError:
        raise
    except Exception as error:  # numpy parses headers with ast, and zips are damaged in many ways
        if "pickle" in str(error):
            raise UserError(
                f"{path}: an array of Python objects, which is pickled, and reading a pickle runs whatever code is in "
                "it. Save arrays of numbers or text."
            ) from error
        raise UserError(f"{path}: damaged: {error}.") from error
