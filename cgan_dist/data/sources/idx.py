"""IDX, the format of MNIST and its relatives: a big-endian header, then raw bytes, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
) -> Source:
    """Reads any pair of IDX files, gzipped if their name ends in `.gz`; the pair is one set, without splits.

    Args:
        folder: of the two files.
        split: `train` or `all`, which are the same.
        images: name of the file of (N, H, W) unsigned bytes.
        labels: name of the file of (N,) unsigned bytes.
        class_names: one for each label from 0 on; without them the numbers are the names.

    Raises:
        UserError: if a file is missing or damaged, or images, labels and names do not match.
    """
    check_split(split, ("train", "all"))
    folder = existing_folder(folder, "idx", "a pair of IDX files")
    pixels = read_idx(existing_file(folder, images, "images"), 3)
    numbers = read_idx(existing_file(folder, labels, "labels"), 1)
    return numbered(pixels[..., None], numbers, class_names, f"{images} and {labels} from {folder}")


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Reads a file of unsigned bytes.

    Args:
        path: with or without `.gz`.
        dimensions: 3 for images (N, H, W), 1 for labels (N,).

    Raises:
        UserError: if the file is missing, no IDX file of that many dimensions, or shorter or longer than it says.
    """
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:  # BadGzipFile is an OSError too
        raise UserError(f"{path}: truncated or damaged gzip file ({error}); fetch it again.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise UserError(
            f"{path}: not an IDX file of unsigned bytes with {dimensions} dimensions; it begins with "
            f"{content[:4].hex() or 'nothing'}, expected {bytes([0, 0, 8, dimensions]).hex()}."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected = math.prod(shape)
    if len(content) - header != expected:
        raise UserError(
            f"{path}: truncated or damaged: its header says {'x'.join(map(str, shape))} = {expected:,} "
            f"bytes, the file holds {len(content) - header:,}; fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def load_pairs(folder: Path, split: str, class_names: tuple[str, ...], description: str) -> Source:
    """Reads MNIST's file names from a folder: `train` (60,000), `test` (10,000) or `all` of them.

    Raises:
        UserError: if a file is missing or damaged, or images and labels do not match.
    """
    check_split(split, tuple(SPLITS))
    images, labels = [], []
    for prefix in SPLITS[split]:
        images.append(read_idx(_find(folder, f"{prefix}-images-idx3-ubyte"), 3))
        labels.append(read_idx(_find(folder, f"{prefix}-labels-idx1-ubyte"), 1))
    pixels, numbers = np.concatenate(images)[..., None], np.concatenate(labels)
    return numbered(pixels, numbers, list(class_names), f"{description} ({split})")


def _find(folder: Path, name: str) -> Path:
    candidates = [folder / f"{name}.gz", folder / name, folder / name.replace("-idx", ".idx")]
    for path in candidates:
        if path.exists():
            return path
    raise UserError(f"{folder}: {name}.gz (or {name}) is missing; the folder must hold MNIST's four IDX files.")
