from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.sources import kmnist, npz
from cgan_dist.errors import UserError
from tests.unit.data.sources.test_sources import class_names, idx_bytes

COUNTS = {"train": 98, "test": 49}


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)


@pytest.fixture(params=[("kmnist", 10), ("k49", 49)], ids=["kmnist", "k49"])
def subset(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, int]:
    """The published layout, one array called arr_0 a file."""
    name, classes = request.param
    for part, count in COUNTS.items():
        np.savez_compressed(tmp_path / f"{name}-{part}-imgs.npz", pixels(count))
        np.savez_compressed(tmp_path / f"{name}-{part}-labels.npz", (np.arange(count) % classes).astype(np.uint8))
    return name, classes


def error(folder: Path | None, **options: str) -> str:
    with pytest.raises(UserError) as caught:
        kmnist.load(folder, "train", **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_images_labels_and_readings(tmp_path: Path, subset: tuple[str, int]) -> None:
    name, classes = subset
    source = kmnist.load(tmp_path, "all", subset=name)  # type: ignore[arg-type]
    assert source.labels.tolist() == [number % classes for count in COUNTS.values() for number in range(count)]
    assert np.array_equal(source.read(99)[..., 0], pixels(49)[1])
    assert len(class_names(source)) == classes
    first, last = {"kmnist": ("o", "wo"), "k49": ("a", "iteration")}[name]
    assert (class_names(source)[0], class_names(source)[-1]) == (first, last)
    assert len(kmnist.load(tmp_path, "test", subset=name)) == 49  # type: ignore[arg-type]


def test_readings_are_in_the_published_order() -> None:
    """The ten of Kuzushiji-MNIST are one of each column of the table of kana, in that order, as in Kuzushiji-49."""
    places = [kmnist.NAMES["k49"].index(name) for name in kmnist.NAMES["kmnist"]]
    assert places == sorted(places)
    assert len(set(kmnist.NAMES["k49"])) == 49


def test_the_files_by_mnists_names_are_read_too(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("t10k", 10)):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(pixels(count))))
        labels = (np.arange(count) % 10).astype(np.uint8)
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    source = kmnist.load(tmp_path, "train")
    assert class_names(source)[:2] == ["o", "ki"]
    assert len(source) == 20


def test_near_misses_are_named(tmp_path: Path) -> None:
    assert "kmnist-train-imgs.npz is missing; the folder must hold the files of https://" in error(tmp_path)
    np.savez(tmp_path / "kmnist-train-imgs.npz", images=pixels(3))
    assert "kmnist-train-imgs.npz: no array 'arr_0'. It has images." in error(tmp_path)
    np.savez(tmp_path / "kmnist-train-imgs.npz", pixels(3))
    np.savez(tmp_path / "kmnist-train-labels.npz", np.array([0, 1]))
    assert "3 images but 2 labels" in error(tmp_path)
    np.savez(tmp_path / "kmnist-train-labels.npz", np.array([0, 1, 10]))
    assert "image 2 has label 10; expected 0..9" in error(tmp_path)
    np.savez(tmp_path / "kmnist-train-labels.npz", np.array([{}, {}, {}]))
    assert "which is pickled" in error(tmp_path)
    np.savez(tmp_path / "kmnist-train-labels.npz", np.eye(3))
    assert "labels are (3, 3) float64; expected (N,) integers" in error(tmp_path)
    np.savez(tmp_path / "kmnist-train-imgs.npz", pixels(3).astype(np.float32))
    assert "kmnist-train-imgs.npz: images are (3, 28, 28) float32; expected (N, H, W)" in error(tmp_path)
    with pytest.raises(UserError, match=r"no array 'images'. Is it one of kmnist's\? cgan-dist prepare kmnist"):
        npz.load(tmp_path, "train", file="kmnist-train-imgs.npz")
