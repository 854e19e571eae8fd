from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import EMNIST

from cgan_dist.data.sources import emnist, idx
from cgan_dist.errors import UserError
from tests.unit.data.sources.test_sources import class_names, idx_bytes


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


def test_labels_may_count_from_one(pair: Path) -> None:
    options = {"images": "pixels.idx", "labels": "ones.idx"}
    (pair / "ones.idx").write_bytes(idx_bytes(np.array([1, 3, 2], np.uint8)))
    for names in (None, ["a", "b", "c"]):
        with pytest.raises(UserError, match="the labels are 1 to 3, none is 0; .* Give --option first_label=1 if"):
            idx.load(pair, "train", class_names=names, **options)
        source = idx.load(pair, "train", class_names=names, first_label=1, **options)
        assert source.labels.tolist() == [0, 2, 1]
        assert class_names(source) == (names or ["1", "2", "3"])
    assert idx.load(pair, "train", class_names=["none", "a", "b", "c"], **options).labels.tolist() == [1, 3, 2]
    with pytest.raises(UserError, match="label 1; expected the number of a class, 2, 3, 4 and so on"):
        idx.load(pair, "train", first_label=2, **options)


def test_images_that_lie_on_their_side_are_set_upright(pair: Path) -> None:
    source = idx.load(pair, "train", images="pixels.idx", labels="numbers.gz", transpose=True)
    assert source.read(1).tolist() == np.arange(8, 16).reshape(2, 4).T[..., None].tolist()


@pytest.mark.parametrize(("subset", "count"), [("letters", 26), ("balanced", 47), ("byclass", 62), ("digits", 10)])
def test_emnist_is_upright_and_named(tmp_path: Path, subset: str, count: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2 * count, 28, 28), dtype=np.uint8)
    first = 1 if subset == "letters" else 0
    for part, own in [("train", slice(0, count)), ("test", slice(count, None))]:
        labels = np.arange(first, first + count, dtype=np.uint8)
        images = idx_bytes(np.ascontiguousarray(pixels[own].transpose(0, 2, 1)))
        (tmp_path / f"emnist-{subset}-{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (tmp_path / f"emnist-{subset}-{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    source = emnist.load(tmp_path, "all", subset=subset)
    assert np.array_equal(source.read(count + 1)[..., 0], pixels[count + 1])
    assert source.labels.tolist() == [*range(count), *range(count)]
    names = class_names(source)
    assert len(names) == count
    assert names[:2] == (["A", "B"] if subset == "letters" else ["0", "1"])
    assert source.description == f"EMNIST {subset} from {tmp_path} (all)"
    assert len(emnist.load(tmp_path, "test", subset=subset)) == count
    with pytest.raises(UserError, match="emnist-mnist-train-images-idx3-ubyte.gz .* is missing"):
        emnist.load(tmp_path, "train", subset="mnist")
    with pytest.raises(UserError, match="subset: 'leters'; expected one of .* Did you mean 'letters'?"):
        emnist.load(tmp_path, "train", subset="leters")


@pytest.mark.parametrize("subset", ["balanced", "bymerge", "byclass", "digits", "mnist", "letters"])
def test_emnists_names_are_those_that_torchvision_has(subset: str) -> None:
    published = [name.upper() if subset == "letters" else name for name in EMNIST.classes_split_dict[subset]]
    assert list(emnist.SUBSETS[subset]) == [name for name in published if name != "N/A"]  # of letters number 0 is none


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
