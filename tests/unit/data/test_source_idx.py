from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.sources import idx
from cgan_dist.errors import UserError
from tests.unit.data.test_sources import class_names, idx_bytes


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Two IDX files by other names: three images of 2x4 with the labels 0, 2, 1."""
    (tmp_path / "pixels.idx").write_bytes(idx_bytes(np.arange(24, dtype=np.uint8).reshape(3, 2, 4)))
    (tmp_path / "numbers.gz").write_bytes(gzip.compress(idx_bytes(np.array([0, 2, 1], np.uint8))))
    return tmp_path


def test_idx_reads_any_pair_of_files(pair: Path) -> None:
    source = idx.load(pair, "train", images="pixels.idx", labels="numbers.gz")
    assert source.read(1).tolist() == np.arange(8, 16).reshape(2, 4, 1).tolist()
    assert source.labels.tolist() == [0, 2, 1]
    assert class_names(source) == ["0", "1", "2"]
    assert source.description == f"pixels.idx and numbers.gz from {pair}"


def test_idx_takes_class_names(pair: Path) -> None:
    names = ["cat", "dog", "eel", "fox"]
    assert class_names(idx.load(pair, "all", images="pixels.idx", labels="numbers.gz", class_names=names)) == names


def test_idx_reads_mnists_training_names_by_default(tmp_path: Path) -> None:
    for name, array in [("images-idx3", np.zeros((2, 3, 3), np.uint8)), ("labels-idx1", np.array([0, 1], np.uint8))]:
        (tmp_path / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(idx_bytes(array)))
    assert idx.load(tmp_path, "train").labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"images": "pixel.idx"},
            "pixel.idx: no such file. Did you mean 'pixels.idx'? Name another with --option images=",
        ),
        (
            {"labels": "number.gz"},
            "number.gz: no such file. Did you mean 'numbers.gz'? Name another with --option labels=",
        ),
        ({"labels": "pixels.idx"}, "pixels.idx: not an IDX file of unsigned bytes with 1 dimensions"),
        ({"class_names": ["cat", "dog"]}, "image 1 has label 2; expected 0..1"),
        ({"class_names": ["cat", "dog", "cat"]}, "class_names: 'cat' twice; expected a different name for each label"),
        ({"class_names": []}, "class_names: none; expected a different name for each label"),
    ],
)
def test_idx_refuses_what_does_not_match(pair: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        idx.load(pair, "train", **({"images": "pixels.idx", "labels": "numbers.gz"} | options))
    assert message in str(caught.value)


def test_idx_has_no_splits(pair: Path) -> None:
    with pytest.raises(UserError, match=r"^split 'test': expected one of train, all\.$"):
        idx.load(pair, "test", images="pixels.idx", labels="numbers.gz")


def test_idx_of_no_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "i").write_bytes(idx_bytes(np.zeros((0, 2, 2), np.uint8)))
    (tmp_path / "l").write_bytes(idx_bytes(np.zeros(0, np.uint8)))
    with pytest.raises(UserError, match="no images"):
        idx.load(tmp_path, "train", images="i", labels="l")
