from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.sources import medmnist, npz
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels

COUNTS = {"train": 6, "val": 3, "test": 2}


def save(folder: Path, name: str = "bloodmnist", channels: tuple[int, ...] = (3,), columns: int = 1) -> Path:
    """The published layout: images and labels (N, columns) of three splits in one file."""
    arrays = {}
    for part, count in COUNTS.items():
        draw = np.random.default_rng(count)
        arrays[f"{part}_images"] = draw.integers(0, 256, (count, 28, 28, *channels), dtype=np.uint8)
        labels = np.arange(count * columns, dtype=np.uint8) % (2 if columns > 1 else 3)
        arrays[f"{part}_labels"] = labels.reshape(count, columns)
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    return folder


def error(folder: Path | None, split: str = "train", **options: object) -> str:
    with pytest.raises(UserError) as caught:
        medmnist.load(folder, split, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(("split", "count"), [("train", 6), ("valid", 3), ("val", 3), ("test", 2), ("all", 11)])
def test_one_column_is_classes(tmp_path: Path, split: str, count: int) -> None:
    for place in (save(tmp_path), tmp_path / "bloodmnist.npz"):
        source = medmnist.load(place, split, class_names=["a", "b", "c"])
        assert source.schema == ClassLabels(names=["a", "b", "c"])
        parts = COUNTS.values() if split == "all" else [count]
        assert source.labels.tolist() == [number % 3 for part in parts for number in range(part)]
        assert len(source) == count
        assert source.read(0).shape == (28, 28, 3)


def test_several_columns_are_attributes(tmp_path: Path) -> None:
    save(tmp_path, "chestmnist", (), 14)
    source = medmnist.load(tmp_path, "train")
    assert source.schema == AttributeLabels(names=[f"attribute_{number}" for number in range(14)])
    assert source.labels[0].tolist() == [0, 1] * 7
    assert source.read(0).shape == (28, 28, 1)
    assert "class_names: 1, expected a different name for each of 14 attributes" in error(tmp_path, class_names=["a"])


def test_near_misses_are_named(tmp_path: Path) -> None:
    assert "medmnist needs a file of https://medmnist.com such as bloodmnist.npz" in error(None)
    assert "no npz file; expected a file of https://medmnist.com" in error(tmp_path)
    save(tmp_path)
    save(tmp_path, "organmnist3d", (28,))
    assert "several files; name one: --option file=bloodmnist.npz" in error(tmp_path)
    assert "has no 'bloodmnst.npz'. Did you mean 'bloodmnist.npz'?" in error(tmp_path, file="bloodmnst.npz")
    assert "train_images are (6, 28, 28, 28): volumes" in error(tmp_path, file="organmnist3d.npz")
    assert "split 'tset': expected one of train, valid, test, all. Did you mean 'test'?" in error(tmp_path, "tset")
    with pytest.raises(UserError, match=r"no array 'images'. Is it one of medmnist's\? cgan-dist prepare medmnist"):
        npz.load(tmp_path, "train", file="bloodmnist.npz")
    np.savez(tmp_path / "x.npz", train_images=np.zeros((2, 4, 4), "u1"), train_labels=np.zeros(2, "u1"))
    assert "labels are (2,) uint8 for 2 images; expected (N, 1) numbers of classes" in error(tmp_path, file="x.npz")
    assert "no array 'val_images'." in error(tmp_path, "valid", file="x.npz")
