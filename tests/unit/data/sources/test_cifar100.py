from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.sources import cifar100
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels

COARSE = [f"coarse_{number}" for number in range(20)]
FINE = [f"fine_{number}" for number in range(100)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The published layout: a coarse label, a fine one and three planes an image; 6 for training, 2 for the test."""
    inside = tmp_path / "cifar-100-binary"
    inside.mkdir()
    for name, count in [("train.bin", 6), ("test.bin", 2)]:
        records = np.random.default_rng(count).integers(0, 256, (count, 3074), dtype=np.uint8)
        records[:, 0], records[:, 1] = np.arange(count) % 20, 99 - np.arange(count)
        (inside / name).write_bytes(records.tobytes())
    (inside / "coarse_label_names.txt").write_text("\n".join(COARSE) + "\n")
    (inside / "fine_label_names.txt").write_text("\n".join(FINE) + "\n\n")
    return tmp_path


def error(folder: Path, split: str = "train") -> str:
    with pytest.raises(UserError) as caught:
        cifar100.load(folder, split)
    return str(caught.value)


def test_labels_are_fine_or_coarse(folder: Path) -> None:
    fine = cifar100.load(folder, "train")
    assert (fine.schema, fine.labels.tolist()) == (ClassLabels(names=FINE), [99, 98, 97, 96, 95, 94])
    coarse = cifar100.load(folder, "all", labels="coarse")
    assert (coarse.schema, coarse.labels.tolist()) == (ClassLabels(names=COARSE), [0, 1, 2, 3, 4, 5, 0, 1])
    assert coarse.description == f"CIFAR-100 from {folder} (all), coarse labels"


def test_planes_become_pixels(folder: Path) -> None:
    record = (folder / "cifar-100-binary" / "test.bin").read_bytes()[3074:]
    pixels = cifar100.load(folder / "cifar-100-binary", "test").read(1)
    for y, x in [(0, 0), (0, 31), (5, 9), (31, 0)]:
        assert pixels[y, x].tolist() == [record[2 + plane * 1024 + y * 32 + x] for plane in range(3)]


def test_the_pickled_version_is_refused_and_never_read(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "cifar-100-python" / "meta").write_bytes(pickle.dumps({}))
    for place in (tmp_path, tmp_path / "cifar-100-python"):
        message = error(place)
        assert "CIFAR-100's version for Python, which is pickled" in message
        assert "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz" in message


def test_damage_is_named(folder: Path) -> None:
    path = folder / "cifar-100-binary" / "train.bin"
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[:-1])
    assert "expected a multiple of 3,074 (2 labels and 32x32x3 pixels)" in error(folder)
    whole[1] = 100
    path.write_bytes(whole)
    assert "train.bin: image 0 has label 100; expected 0..99" in error(folder)
    whole[0] = 20
    path.write_bytes(whole)
    assert "train.bin: image 0 has label 20; expected 0..19" in error(folder)
    (folder / "cifar-100-binary" / "coarse_label_names.txt").write_text("one\n")
    assert "coarse_label_names.txt: 1 class names, expected 20" in error(folder)
