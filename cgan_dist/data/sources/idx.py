"""IDX, the format of MNIST and its relatives: a big-endian header, then raw bytes, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgan_dist.bounds import check_expansion, regular
from cgan_dist.data.source import Source
from cgan_dist.data.sources.class_numbers import numbered
from cgan_dist.data.sources.files import check_split, existing_file, existing_folder
from cgan_dist.errors import UserError

SPLITS = {"train": ("train",), "test": ("t10k",), "all": ("train", "t10k")}


def load(
    folder: Path | None,
    split: str,
    *,
    images: str = "train-images-idx3-ubyte.gz",
    labels: str = "train-labels-idx1-ubyte.gz",
    class_names: list[str] | None = None,
    first_label: int = 0,
    transpose: bool = False,
) -> Source:
    """Reads any pair of IDX files, gzipped if their name ends in `.gz`; the pair is one set, without splits.

    Args:
        folder: of the two files.
        split: `train` or `all`, which are the same.
        images: name of the file of (N, H, W) unsigned bytes.
        labels: name of the file of (N,) unsigned bytes.
        class_names: one for each label from the first on; without them the numbers are the names.
        first_label: of class number 0, where labels do not count from 0.
        transpose: swap rows and columns, for images that lie on their side.

    Raises:
        UserError: if a file is missing or damaged, or images, labels and names do not match.
    """
    check_split(split, ("train", "all"))
    folder = existing_folder(folder, "idx", "a pair of IDX files")
    pixels = read_idx(existing_file(folder, images, "images"), 3)
    numbers = read_idx(existing_file(folder, labels, "labels"), 1)
    if transpose:
        pixels = np.ascontiguousarray(pixels.transpose(0, 2, 1))
    description = f"{images} and {labels} from {folder}"
    return numbered(pixels[..., None], numbers, class_names, description, first_label)


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Reads a file of unsigned bytes.

    Args:
        path: with or without `.gz`.
        dimensions: 3 for images (N, H, W), 1 for labels (N,).

    Raises:
        UserError: if the file is missing, no IDX file of that many dimensions, or shorter or longer than it says.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(regular(path), "rb") as file:
            return _read(file, path, dimensions)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:  # BadGzipFile is an OSError too
        raise UserError(f"{path}: truncated or damaged gzip file ({error}); fetch it again.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error


def _read(file: BufferedIOBase, path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Reads as much as the header says, and no more: what is unpacked has no end that one could ask for before."""
    header = file.read(4 + 4 * dimensions)
    if len(header) < 4 + 4 * dimensions or header[:4] != bytes([0, 0, 8, dimensions]):
        raise UserError(
            f"{path}: not an IDX file of unsigned bytes with {dimensions} dimensions; it begins with "
            f"{header[:4].hex() or 'nothing'}, expected {bytes([0, 0, 8, dimensions]).hex()}."
        )
    shape = struct.unpack(f">{dimensions}I", header[4:])
    expected = math.prod(shape)
    check_expansion(expected, path)
    content = file.read(expected + 1)
    if len(content) != expected:
        more = "more" if len(content) > expected else f"{len(content):,}"
        raise UserError(
            f"{path}: truncated or damaged: its header says {'x'.join(map(str, shape))} = {expected:,} "
            f"bytes, the file holds {more}; fetch it again."
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def load_pairs(folder: Path, split: str, class_names: tuple[str, ...], description: str) -> Source:
    """Reads MNIST's file names from a folder: `train` (60,000), `test` (10,000) or `all` of them.

    Raises:
        UserError: if a file is missing or damaged, or images and labels do not match.
    """
    check_split(split, tuple(SPLITS))
    images, labels = [], []
    for prefix in SPLITS[split]:
        images.append(read_idx(find_idx(folder, f"{prefix}-images-idx3-ubyte"), 3))
        labels.append(read_idx(find_idx(folder, f"{prefix}-labels-idx1-ubyte"), 1))
    pixels, numbers = np.concatenate(images)[..., None], np.concatenate(labels)
    return numbered(pixels, numbers, list(class_names), f"{description} ({split})")


def find_idx(folder: Path, name: str) -> Path:
    """Returns the path of a file by its published name, gzipped or not.

    Raises:
        UserError: if it is missing.
    """
    candidates = [folder / f"{name}.gz", folder / name, folder / name.replace("-idx", ".idx")]
    for path in candidates:
        if path.exists():
            return path
    raise UserError(f"{folder}: {name}.gz (or {name}) is missing; the folder must hold the published IDX files.")
