from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.sources import npz
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
CLASSES = np.array([2, 0, 1])


def save(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "data.npz", **({"images": IMAGES, "labels": CLASSES} | arrays))
    return folder


def error(folder: Path, split: str = "train", **options: str) -> str:
    with pytest.raises(UserError) as caught:
        npz.load(folder, split, **options)
    return str(caught.value)


@pytest.mark.parametrize("split", ["train", "all"])
def test_images_and_classes_are_those_of_the_file(tmp_path: Path, split: str) -> None:
    source = npz.load(save(tmp_path), split)
    assert [source.read(index).tolist() for index in range(3)] == IMAGES.tolist()
    assert source.schema == ClassLabels(names=["0", "1", "2"])
    assert (source.labels.tolist(), source.labels.dtype) == ([2, 0, 1], np.int64)
    assert source.description == str(tmp_path / "data.npz")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64])
def test_classes_may_be_of_any_integer_type(tmp_path: Path, dtype: type) -> None:
    source = npz.load(save(tmp_path, labels=CLASSES.astype(dtype)), "train")
    assert (source.labels.tolist(), source.labels.dtype) == ([2, 0, 1], np.int64)


def test_class_names_are_taken(tmp_path: Path) -> None:
    source = npz.load(save(tmp_path, class_names=np.array(["cat", "dog", "eel", "fox"])), "train")
    assert source.schema == ClassLabels(names=["cat", "dog", "eel", "fox"])


def test_grey_images_may_leave_out_the_channel(tmp_path: Path) -> None:
    grey = IMAGES[..., 0]
    assert npz.load(save(tmp_path, images=grey), "train").read(1).tolist() == grey[1][..., None].tolist()
    assert npz.load(save(tmp_path, images=grey[..., None]), "train").read(1).shape == (4, 5, 1)


def test_compressed_files_and_other_names_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mine.npz", images=IMAGES, labels=CLASSES)
    assert npz.load(tmp_path, "train", file="mine.npz").read(2).tolist() == IMAGES[2].tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_two_columns_of_bits_are_attributes(tmp_path: Path, dtype: type) -> None:
    bits = np.array([[0, 1], [1, 1], [0, 0]])
    source = npz.load(save(tmp_path, labels=bits.astype(dtype)), "train")
    assert source.schema == AttributeLabels(names=["attribute_0", "attribute_1"])
    assert (source.labels.tolist(), source.labels.dtype) == (bits.tolist(), np.uint8)
    named = npz.load(save(tmp_path, labels=bits.astype(dtype), class_names=np.array(["hat", "smile"])), "train")
    assert named.schema == AttributeLabels(names=["hat", "smile"])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_columns_of_floats_are_continuous(tmp_path: Path, dtype: type) -> None:
    values = np.array([[0.5, -1], [2.5, 3], [1, 7]], dtype)
    source = npz.load(save(tmp_path, labels=values), "train")
    assert source.schema == ContinuousLabels(names=["value_0", "value_1"], ranges=[(0.5, 2.5), (-1.0, 7.0)])
    assert (source.labels.tolist(), source.labels.dtype) == (values.tolist(), np.float32)
    named = npz.load(save(tmp_path, labels=values, class_names=np.array(["age", "pose"])), "train")
    assert named.schema == ContinuousLabels(names=["age", "pose"], ranges=[(0.5, 2.5), (-1.0, 7.0)])


def test_the_source_survives_pickling(tmp_path: Path) -> None:
    source = pickle.loads(pickle.dumps(npz.load(save(tmp_path), "train")))
    assert source.read(1).tolist() == IMAGES[1].tolist()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": IMAGES.astype(np.float32)},
            "images are (3, 4, 5, 3) float32; expected (N, H, W), (N, H, W, 1) or ",
        ),
        ({"images": IMAGES[..., :2]}, "images are (3, 4, 5, 2) uint8; expected"),
        ({"images": IMAGES[0, 0]}, "images are (5, 3) uint8; expected"),
        ({"images": IMAGES[:, :0]}, "images are (3, 0, 5, 3) uint8; expected"),
        ({"images": IMAGES[:2]}, "2 images but 3 labels"),
        ({"images": IMAGES[:2], "labels": np.zeros((3, 2), int)}, "2 images but 3 labels"),
        ({"images": IMAGES[:0], "labels": CLASSES[:0]}, "no images"),
        ({"images": IMAGES[:0], "labels": np.zeros((0, 2))}, "no images"),
        ({"labels": np.array([0, -1, 2])}, "label -1; expected the number of a class, 0, 1, 2 and so on"),
        ({"labels": np.array([0, 10**9, 2])}, "label 1000000000; expected the number of a class"),
        ({"labels": np.array([0.0, 1.0, 2.0])}, "labels are (3,) float64; expected (N,) integers, (N, A) of 0 and 1"),
        ({"labels": np.array(["a", "b", "c"])}, "labels are (3,) <U1; expected (N,) integers"),
        ({"labels": np.zeros((3, 2, 2))}, "labels are (3, 2, 2) float64; expected"),
        ({"labels": np.zeros((3, 0))}, "labels are (3, 0) float64; expected"),
        ({"labels": np.array([[0, 1], [1, 2], [0, 0]])}, "image 1, column 1 of labels: 2; expected 0 or 1"),
        ({"labels": np.array([[0.0], [np.nan], [1.0]])}, "image 1, value_0: nan; expected a finite number"),
        ({"labels": np.array([[0.0], [1.0], [1e39]])}, "image 2, value_0: 1e+39; expected a finite number"),
        (
            {"labels": np.array([[0.5], [0.5], [0.5]])},
            "value_0 is 0.5 for every image, which is no range; leave it out",
        ),
        ({"class_names": np.array(["cat", "dog"])}, "image 0 has label 2; expected 0..1"),
        ({"class_names": np.array(["cat", "dog", "cat"])}, "class_names: 'cat' twice; expected a different name"),
        ({"class_names": np.array([1, 2, 3])}, "class_names are (3,) int64; expected a list of text"),
        ({"class_names": np.array("cat")}, "class_names are () <U3; expected a list of text"),
        (
            {"labels": np.array([[0, 1], [1, 0], [0, 0]]), "class_names": np.array(["hat"])},
            "class_names are ['hat']; expected a different name for each of the 2 columns of labels",
        ),
    ],
)
def test_arrays_that_contradict_the_contract_are_refused(
    tmp_path: Path, arrays: dict[str, object], message: str
) -> None:
    found = error(save(tmp_path, **arrays))
    assert found.startswith(f"{tmp_path / 'data.npz'}: ")
    assert message in found


def test_a_missing_array_is_named_with_the_close_match(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=IMAGES, labels=CLASSES)
    assert "no array 'images'. Did you mean 'image'? It has image, labels." in error(tmp_path)


def test_pickled_arrays_are_refused_with_the_reason(tmp_path: Path) -> None:
    message = error(save(tmp_path, labels=np.array([0, "dog", 2], dtype=object)))
    assert "an array of Python objects, which is pickled, and reading a pickle runs whatever code is in it" in message


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(pickle.dumps(CLASSES))
    assert "data.npz: not an npz file, or cut off; numpy.savez(file, images=..., labels=...) makes one" in error(
        tmp_path
    )
    save(tmp_path)
    content = (tmp_path / "data.npz").read_bytes()
    (tmp_path / "data.npz").write_bytes(content[: len(content) // 2])
    assert "not an npz file, or cut off" in error(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = save(tmp_path) / "data.npz"
    content = bytearray(path.read_bytes())
    at = content.index(IMAGES.tobytes()) + 10
    content[at] ^= 0xFF  # the zip's checksum tells
    path.write_bytes(content)
    assert "data.npz: damaged: " in error(tmp_path)


def test_a_missing_file_is_named_with_the_option(tmp_path: Path) -> None:
    save(tmp_path)
    message = error(tmp_path, file="dat.npz")
    assert "dat.npz: no such file. Did you mean 'data.npz'? Name another with --option file=NAME" in message


def test_there_are_no_splits(tmp_path: Path) -> None:
    assert error(save(tmp_path), "test") == "split 'test': expected one of train, all."
