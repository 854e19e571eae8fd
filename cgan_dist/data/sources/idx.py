"""IDX, the format of MNIST and its relatives: a big-endian header, then raw bytes, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.labelled import LabelledImages
from cgan_dist.errors import UserError

SPLITS = {"train": ("train",), "test": ("t10k",), "all": ("train", "t10k")}


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
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    except (EOFError, zlib.error) as error:
        raise UserError(f"{path}: truncated or damaged gzip file ({error}); fetch it again.") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise UserError(f"{path}: not an IDX file of unsigned bytes with {dimensions} dimensions; it begins with "
                        f"{content[:4].hex() or 'nothing'}, expected {bytes([0, 0, 8, dimensions]).hex()}.")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected = math.prod(shape)
    if len(content) - header != expected:
        raise UserError(f"{path}: truncated or damaged: its header says {'x'.join(map(str, shape))} = {expected:,} "
                        f"bytes, the file holds {len(content) - header:,}; fetch it again.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def load_pairs(folder: Path, split: str, class_names: tuple[str, ...], source: str) -> LabelledImages:
    """Reads MNIST's file names from a folder: `train` (60,000), `test` (10,000) or `all` of them.

    Raises:
        UserError: if a file is missing or damaged, or images and labels do not match.
    """
    if split not in SPLITS:
        raise UserError(f"split '{split}': expected one of {', '.join(SPLITS)}.")
    images, labels = [], []
    for prefix in SPLITS[split]:
        images.append(read_idx(_find(folder, f"{prefix}-images-idx3-ubyte"), 3))
        labels.append(read_idx(_find(folder, f"{prefix}-labels-idx1-ubyte"), 1))
    return LabelledImages(
        images=np.concatenate(images)[..., None],
        labels=np.concatenate(labels).astype(np.int64),
        class_names=class_names,
        source=f"{source} ({split})",
    )


def _find(folder: Path, name: str) -> Path:
    candidates = [folder / f"{name}.gz", folder / name, folder / name.replace("-idx", ".idx")]
    for path in candidates:
        if path.exists():
            return path
    raise UserError(f"{folder}: {name}.gz (or {name}) is missing; the folder must hold MNIST's four IDX files.")
