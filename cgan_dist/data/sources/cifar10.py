"""`cifar10`: Krizhevsky's 60,000 small photographs in 10 classes (Learning Multiple Layers of Features, 2009)."""

from __future__ import annotations

from pathlib import Path

from cgan_dist.data.source import Source
from cgan_dist.data.sources.cifar import Records, Release, load_release
from cgan_dist.data.sources.class_numbers import numbered

TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
RELEASE = Release(
    title="CIFAR-10",
    source="cifar10",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    inside="cifar-10-batches-bin",
    pickled=("cifar-10-batches-py", "data_batch_1"),
    names={"batches.meta.txt": 10},
    files={"train": TRAIN, "test": TEST, "all": TRAIN + TEST},
)


def load(folder: Path | None, split: str) -> Source:
    """Reads the binary version from `folder`, or downloads it (170 MB) and checks its md5.

    Args:
        folder: `cifar-10-batches-bin` or the folder around it.
        split: `train` (50,000), `test` (10,000) or `all` of them.

    Raises:
        UserError: if a file is missing, damaged, cannot be downloaded, or is of the version for Python.
    """
    return load_release(RELEASE, folder, split, _source)


def _source(records: Records, description: str) -> Source:
    return numbered(records.images, records.labels[:, 0], records.names[0], description)
