"""`cifar10`: Krizhevsky's 60,000 small photographs in 10 classes (Learning Multiple Layers of Features, 2009)."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.download import download
from cgan_dist.data.source import Source
from cgan_dist.data.sources.class_numbers import numbered
from cgan_dist.data.sources.files import check_split, existing_folder, read_lines
from cgan_dist.errors import UserError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # of the publisher's page, which gives no other
HINT = "--source FOLDER reads files you have"
INSIDE = "cifar-10-batches-bin"
PICKLED = "cifar-10-batches-py"
NAMES_FILE = "batches.meta.txt"
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
SPLITS = {"train": TRAIN, "test": TEST, "all": TRAIN + TEST}
NUM_CLASSES = 10
SIZE = 32
RECORD_BYTES = 1 + 3 * SIZE * SIZE
"""A label, then the red, the green and the blue plane, row by row."""


def load(folder: Path | None, split: str) -> Source:
    """Reads the binary version from `folder`, or downloads it (170 MB) and checks its md5.

    Args:
        folder: `cifar-10-batches-bin` or the folder around it.
        split: `train` (50,000), `test` (10,000) or `all` of them.

    Raises:
        UserError: if a file is missing, damaged, cannot be downloaded, or is of the version for Python.
    """
    check_split(split, tuple(SPLITS))
    if folder is not None:
        return _load(_binary_folder(folder), split, f"CIFAR-10 from {folder}")
    with tempfile.TemporaryDirectory(prefix="cifar10-") as fresh:
        archive = Path(fresh) / Path(URL).name
        download(URL, archive, MD5, hint=HINT, algorithm="md5")
        _extract(archive, Path(fresh))
        return _load(Path(fresh), split, f"CIFAR-10 from {URL}")


def _load(folder: Path, split: str, description: str) -> Source:
    names = [name for _, name in read_lines(folder / NAMES_FILE)]
    if len(names) != NUM_CLASSES:
        raise UserError(f"{folder / NAMES_FILE}: {len(names)} class names, expected {NUM_CLASSES}; fetch it again.")
    records = np.concatenate([_read_records(folder / name) for name in SPLITS[split]])
    planes = records[:, 1:].reshape(-1, 3, SIZE, SIZE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return numbered(images, records[:, 0], names, f"{description} ({split})")


def _binary_folder(folder: Path) -> Path:
    folder = existing_folder(folder, "cifar10", f"the files of {URL}")
    for candidate in (folder, folder / INSIDE):
        if (candidate / TRAIN[0]).exists() or (candidate / TEST[0]).exists():
            return candidate
    if (folder / PICKLED).exists() or (folder / "data_batch_1").exists():
        raise UserError(
            f"{folder}: this is CIFAR-10's version for Python, which is pickled, and reading a pickle runs whatever "
            f"code is in it. Get the binary version: {URL}, or leave --source out and it is downloaded."
        )
    raise UserError(f"{folder}: neither {TRAIN[0]} nor {INSIDE}/{TRAIN[0]} is there; unpack {URL} in it.")


def _read_records(path: Path) -> NDArray[np.uint8]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}; unpack {URL} again.") from error
    if not content or len(content) % RECORD_BYTES:
        raise UserError(
            f"{path}: truncated or damaged: {len(content):,} bytes, expected a multiple of {RECORD_BYTES:,} (a label "
            f"and {SIZE}x{SIZE}x3 pixels); fetch it again."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    wrong = np.flatnonzero(records[:, 0] >= NUM_CLASSES)
    if len(wrong):
        raise UserError(
            f"{path}: image {wrong[0]} has label {records[wrong[0], 0]}; expected 0..{NUM_CLASSES - 1}. Fetch it again."
        )
    return records


def _extract(archive: Path, target: Path) -> None:
    """Unpacks the files by their known names, each to its own last part; nothing else of the archive is written."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for name in (NAMES_FILE, *TRAIN, *TEST):
                member = tar.getmember(f"{INSIDE}/{name}")
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise UserError(f"{URL}: {member.name} is not a regular file. {HINT}.")
                (target / name).write_bytes(content.read())
    except KeyError as error:
        raise UserError(f"{URL}: {error.args[0]}. {HINT}.") from error
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{URL}: cannot unpack: {error}. {HINT}.") from error
