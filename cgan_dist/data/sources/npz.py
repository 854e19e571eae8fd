"""`npz`: NumPy arrays in one file, `images` and `labels`; never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.sources.class_numbers import numbered
from cgan_dist.data.sources.files import check_split, existing_file, existing_folder, first_repeated
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import AttributeLabels, ContinuousLabels

Arrays = dict[str, NDArray[Any]]


def load(folder: Path | None, split: str, *, file: str = "data.npz") -> Source:
    """Reads the arrays; the file is one set, without splits.

    - `images`: (N, H, W), (N, H, W, 1) or (N, H, W, 3) uint8.
    - `labels`: (N,) integers, the numbers of classes; or (N, A) integers or booleans, 0 or 1; or (N, D) floats, whose
      ranges are their least and greatest values.
    - `class_names`, optional: text, one for each class, attribute or value.

    Args:
        folder: of the file.
        split: `train` or `all`, which are the same.
        file: its name.

    Raises:
        UserError: if the file is missing, no npz file, damaged or pickled, or an array is missing or contradicts these.
    """
    check_split(split, ("train", "all"))
    folder = existing_folder(folder, "npz", f"the file {file}")
    path = existing_file(folder, file, "file")
    arrays = _read_arrays(path)
    images, labels, names = _images(arrays["images"], path), arrays["labels"], _names(arrays, path)
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        return numbered(images, labels, names, str(path))
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
    if labels.dtype.kind == "f":
        return _continuous(images, labels, names, path)
    return _attributes(images, labels, names, path)


def _attributes(images: NDArray[np.uint8], labels: NDArray[Any], names: list[str] | None, path: Path) -> Source:
    for image, column in np.argwhere((labels != 0) & (labels != 1))[:1]:
        raise UserError(f"{path}: image {image}, column {column} of labels: {labels[image, column]}; expected 0 or 1.")
    schema = AttributeLabels(names=names or [f"attribute_{column}" for column in range(labels.shape[1])])
    return Source(labels=labels.astype(np.uint8), schema=schema, read=InMemory(images), description=str(path))


def _continuous(images: NDArray[np.uint8], labels: NDArray[Any], names: list[str] | None, path: Path) -> Source:
    names = names or [f"value_{column}" for column in range(labels.shape[1])]
    largest = np.finfo(np.float32).max
    for image, column in np.argwhere(~(np.abs(labels) <= largest))[:1]:  # ~ also catches nan
        raise UserError(f"{path}: image {image}, {names[column]}: {labels[image, column]}; expected a finite number.")
    values = labels.astype(np.float32)
    ranges = [(float(column.min()), float(column.max())) for column in values.T]
    for name, (low, high) in zip(names, ranges, strict=True):
        if low == high:
            raise UserError(f"{path}: {name} is {low:g} for every image, which is no range; leave it out.")
    schema = ContinuousLabels(names=names, ranges=ranges)
    return Source(labels=values, schema=schema, read=InMemory(images), description=str(path))


def _images(images: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        raise UserError(
            f"{path}: images are {images.shape} {images.dtype}; expected (N, H, W), (N, H, W, 1) or (N, H, W, 3) uint8."
        )
    return images


def _names(arrays: Arrays, path: Path) -> list[str] | None:
    if "class_names" not in arrays:
        return None
    names = arrays["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise UserError(f"{path}: class_names are {names.shape} {names.dtype}; expected a list of text.")
    return [str(name) for name in names]


def _read_arrays(path: Path) -> Arrays:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: not an npz file, or cut off; numpy.savez(file, images=..., labels=...) makes one.")
    try:
        with np.load(path, allow_pickle=False) as file:
            for name in ("images", "labels"):
                if name not in file:
                    raise UserError(f"{path}: no array '{name}'.{close_match(name, file)} It has {', '.join(file)}.")
            wanted = [name for name in ("images", "labels", "class_names") if name in file]
            return {name: np.asarray(file[name]) for name in wanted}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "pickle" in str(error):
            raise UserError(
                f"{path}: an array of Python objects, which is pickled, and reading a pickle runs whatever code is in "
                "it. Save arrays of numbers or text."
            ) from error
        raise UserError(f"{path}: damaged: {error}.") from error
