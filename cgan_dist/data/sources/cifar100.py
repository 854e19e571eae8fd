"""`cifar100`: Krizhevsky's 60,000 small photographs in 100 classes, of which five each make one of 20 coarse ones."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

from cgan_dist.data.source import Source
from cgan_dist.data.sources.cifar import Records, Release, load_release
from cgan_dist.data.sources.class_numbers import numbered

TRAIN, TEST = ("train.bin",), ("test.bin",)
RELEASE = Release(
    title="CIFAR-100",
    source="cifar100",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    inside="cifar-100-binary",
    pickled=("cifar-100-python", "meta"),
    names={"coarse_label_names.txt": 20, "fine_label_names.txt": 100},
    files={"train": TRAIN, "test": TEST, "all": TRAIN + TEST},
)
PLACE = {"coarse": 0, "fine": 1}


def load(folder: Path | None, split: str, *, labels: Literal["fine", "coarse"] = "fine") -> Source:
    """Reads the binary version from `folder`, or downloads it (169 MB) and checks its md5.

    Args:
        folder: `cifar-100-binary` or the folder around it.
        split: `train` (50,000), `test` (10,000) or `all` of them.
        labels: `fine` (100 classes) or `coarse` (20).

    Raises:
        UserError: if a file is missing, damaged, cannot be downloaded, or is of the version for Python.
    """
    return load_release(RELEASE, folder, split, functools.partial(_source, labels=labels))


def _source(records: Records, description: str, labels: str) -> Source:
    place = PLACE[labels]
    return numbered(records.images, records.labels[:, place], records.names[place], f"{description}, {labels} labels")
