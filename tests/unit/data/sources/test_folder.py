from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.source import Source
from cgan_dist.data.sources import folder as source_folder
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels, NoLabels


def draw(root: Path, *names: str) -> Path:
    """Writes pictures of one colour, which is 10 times their position in `names`."""
    for index, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), (10 * index,) * 3).save(path, quality=100)
    return root


def colors(source: Source) -> list[int]:
    return [int(source.read(index)[1, 1, 0]) for index in range(len(source))]


def class_names(source: Source) -> list[str]:
    assert isinstance(source.schema, ClassLabels)
    return source.schema.names


def error(folder: Path, split: str = "train", **options: bool) -> str:
    with pytest.raises(UserError) as caught:
        source_folder.load(folder, split, **options)
    return str(caught.value)


@pytest.mark.parametrize("split", ["train", "all"])
def test_a_sub_folder_is_a_class(tmp_path: Path, split: str) -> None:
    draw(tmp_path, "dog/b.png", "cat/2.png", "dog/a.png", "cat/1.png", "eel/x.png")
    source = source_folder.load(tmp_path, split)
    assert class_names(source) == ["cat", "dog", "eel"]
    assert source.labels.tolist() == [0, 0, 1, 1, 2]
    assert source.labels.dtype == np.int64
    assert colors(source) == [30, 10, 20, 0, 40]
    assert source.description == f"pictures of {tmp_path} ({split})"


def test_pictures_are_found_at_any_depth_and_by_any_suffix(tmp_path: Path) -> None:
    names = ["a.JPG", "b.jpeg", "c.Png", "d.webp", "e.bmp", "f.tif", "g.ppm", "h.PGM", "i.gif", "j.jfif", "sub/k.TIFF"]
    draw(tmp_path, *(f"cat/{name}" for name in names), "dog/x.png")
    source = source_folder.load(tmp_path, "train")
    assert source.labels.tolist() == [0] * 11 + [1]
    assert np.abs(np.subtract(colors(source), range(0, 120, 10))).max() <= 2


def test_hidden_files_and_folders_are_ignored(tmp_path: Path) -> None:
    draw(tmp_path, "cat/a.png", "cat/.b.png", ".git/c.png", "cat/.thumbs/d.png")
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "cat" / ".DS_Store").touch()
    source = source_folder.load(tmp_path, "train")
    assert class_names(source) == ["cat"]
    assert colors(source) == [0]


def test_other_files_are_refused_unless_ignored(tmp_path: Path) -> None:
    draw(tmp_path, "cat/a.png", "dog/b.png")
    for name in ["README.md", "cat/notes.txt", *(f"dog/{number}.json" for number in range(6))]:
        (tmp_path / name).touch()
    message = error(tmp_path)
    assert "README.md, cat/notes.txt, dog/0.json, dog/1.json, dog/2.json, dog/3.json and 2 more" in message
    assert f"{tmp_path}: files that are no pictures (.apng, .bmp, " in message
    assert "Remove them, or skip them with --option ignore_others=true" in message
    assert colors(source_folder.load(tmp_path, "train", ignore_others=True)) == [0, 10]


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "cat/a.png")
    (tmp_path / "dog" / "deep").mkdir(parents=True)
    assert f"{tmp_path}: no pictures in the class folder dog; fill or remove it" in error(tmp_path)
    (tmp_path / "dog" / "notes.txt").touch()
    assert "no pictures in the class folder dog" in error(tmp_path, ignore_others=True)


def test_a_picture_outside_the_classes_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "cat/a.png", "dog/b.png", "c.png")
    message = error(tmp_path)
    assert "c.png: in no sub-folder; expected every picture inside one of them (cat, dog)" in message
    assert "give --option unlabelled=true" in message


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "a.png")
    message = error(tmp_path)
    assert f"{tmp_path}: no class folders; expected CLASS/*.jpg" in message
    assert "--option unlabelled=true" in message


def test_unlabelled_pictures_have_no_labels(tmp_path: Path) -> None:
    draw(tmp_path, "b.png", "a.png", "deeper/c.png")
    source = source_folder.load(tmp_path, "train", unlabelled=True)
    assert isinstance(source.schema, NoLabels)
    assert (source.labels.shape, source.labels.dtype) == ((3, 0), np.uint8)
    assert colors(source) == [10, 0, 20]


def test_unlabelled_without_any_picture_is_refused(tmp_path: Path) -> None:
    assert "no images" in error(tmp_path, unlabelled=True)
    (tmp_path / "notes.txt").touch()
    assert "files that are no pictures" in error(tmp_path, unlabelled=True)
    assert "no images" in error(tmp_path, unlabelled=True, ignore_others=True)


def test_without_split_folders_there_is_one_set(tmp_path: Path) -> None:
    draw(tmp_path, "cat/a.png", "train/b.png")  # not all of them are splits, so `train` is a class
    assert class_names(source_folder.load(tmp_path, "train")) == ["cat", "train"]
    message = error(tmp_path, "test")
    assert message.startswith(f"split 'test': {tmp_path} has no sub-folders train, valid and test to choose from")
    assert "expected train or all" in message


@pytest.mark.parametrize("valid", ["valid", "val"])
def test_split_folders_are_chosen_from(tmp_path: Path, valid: str) -> None:
    draw(tmp_path, "train/dog/a.png", "train/cat/b.png", f"{valid}/dog/c.png", "test/cat/d.png")
    expected = {"train": ([0, 1], [10, 0]), "valid": ([1], [20]), "val": ([1], [20]), "test": ([0], [30])}
    for split, (labels, values) in expected.items():
        source = source_folder.load(tmp_path, split)
        assert class_names(source) == ["cat", "dog"]  # the same numbers in every split
        assert (source.labels.tolist(), colors(source)) == (labels, values)
    everything = source_folder.load(tmp_path, "all")
    assert sorted(zip(everything.labels.tolist(), colors(everything), strict=True)) == [
        (0, 10),
        (0, 30),
        (1, 0),
        (1, 20),
    ]


@pytest.mark.parametrize(
    "names", [("train", "validation", "test"), ("Train", "Test"), ("training", "testing"), ("TRAIN", "dev"), ("Train",)]
)
def test_splits_have_many_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    draw(tmp_path, *(f"{name}/{label}/x.png" for name in names for label in ("cat", "dog")))
    source = source_folder.load(tmp_path, "train")
    assert (class_names(source), colors(source)) == (["cat", "dog"], [0, 10])
    for place, name in enumerate(names):
        assert colors(source_folder.load(tmp_path, name)) == [20 * place, 20 * place + 10]
    assert len(source_folder.load(tmp_path, "all")) == 2 * len(names)


def test_splits_beside_other_folders_need_a_word(tmp_path: Path) -> None:
    draw(tmp_path, *(f"{name}/cat/x.png" for name in ("train", "test", "extra")))
    message = error(tmp_path)
    assert message.startswith(
        f"{tmp_path}: test, train look like splits, extra beside them like classes. Give --option"
    )
    assert "splits=true if each sub-folder is a split" in message
    assert "splits=false if each is a class" in message
    assert colors(source_folder.load(tmp_path, "train", splits=True)) == [0]
    assert colors(source_folder.load(tmp_path, "extra", splits=True)) == [20]
    assert len(source_folder.load(tmp_path, "all", splits=True)) == 3
    assert class_names(source_folder.load(tmp_path, "train", splits=False)) == ["extra", "test", "train"]


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    draw(tmp_path, "train/cat/a.png", "val/cat/b.png", "Validation/cat/c.png")
    assert f"{tmp_path}: Validation and val are both the split 'valid'; join them or remove one" in error(tmp_path)


def test_the_classes_are_those_of_the_training_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    draw(tmp_path, "train/n1/images/a.png", "train/n2/images/b.png", "val/images/c.png", "test/n2/d.png")
    source = source_folder.load(tmp_path, "train")
    assert (class_names(source), source.labels.tolist()) == (["n1", "n2"], [0, 1])
    assert caplog.messages == [
        f"{tmp_path / 'val'}: train has no class images, and none is made of it; it is in no split that was asked for."
    ]
    assert source_folder.load(tmp_path, "test").labels.tolist() == [1]
    for split in ("val", "all"):
        assert f"{tmp_path / 'val'}: train has no class images; the classes are those of train." in error(
            tmp_path, split
        )


def test_without_a_training_split_the_classes_are_those_of_all(tmp_path: Path) -> None:
    draw(tmp_path, "val/b/x.png", "test/a/x.png")
    assert class_names(source_folder.load(tmp_path, "val")) == ["a", "b"]


def test_split_folders_of_unlabelled_pictures_are_chosen_from(tmp_path: Path) -> None:
    draw(tmp_path, "train/a.png", "test/b.png", "test/c.png")
    assert colors(source_folder.load(tmp_path, "test", unlabelled=True)) == [10, 20]
    assert len(source_folder.load(tmp_path, "all", unlabelled=True)) == 3
    draw(tmp_path, "beside.png")
    assert "beside.png: in no sub-folder" in error(tmp_path, unlabelled=True)


def test_a_split_without_a_folder_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "train/dog/a.png", "test/dog/b.png")
    assert error(tmp_path, "valid") == f"split 'valid': {tmp_path} has test, train; expected one of them or all."
    assert error(tmp_path, "tests").endswith("expected one of them or all. Did you mean 'test'?")


def test_a_split_of_pictures_without_classes_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "train/dog/a.png", "test/b.png")
    assert "b.png: in no sub-folder; expected every picture inside one of them (there are none)" in error(
        tmp_path, "test"
    )


def test_linked_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    draw(tmp_path, "elsewhere/a.png", "set/dog/b.png")
    (tmp_path / "set" / "cat").symlink_to(tmp_path / "elsewhere")
    source = source_folder.load(tmp_path / "set", "train")
    assert (source.labels.tolist(), colors(source)) == ([0, 1], [0, 10])
    (tmp_path / "set" / "dog" / "up").symlink_to(tmp_path / "set" / "dog")
    assert "up: reached twice, by a symbolic link; remove the link" in error(tmp_path / "set")


def test_the_source_survives_pickling(tmp_path: Path) -> None:
    source = source_folder.load(draw(tmp_path, "cat/a.png", "cat/b.png"), "train")
    assert colors(pickle.loads(pickle.dumps(source))) == [0, 10]


def test_a_damaged_picture_is_named_when_it_is_read(tmp_path: Path) -> None:
    draw(tmp_path, "cat/a.png", "cat/b.png")
    (tmp_path / "cat" / "b.png").write_bytes(b"damaged")
    source = source_folder.load(tmp_path, "train")
    with pytest.raises(UserError, match=r"cat/b.png: not a picture"):
        source.read(1)


@pytest.mark.parametrize(
    ("name", "source"), [("train-00000-of-00001.parquet", "huggingface"), ("labels.csv", "csv"), ("data.npz", "npz")]
)
def test_a_folder_of_something_else_names_its_source(tmp_path: Path, name: str, source: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"no class folders; .* Of {name} and its like type cgan-dist prepare {source}"):
        source_folder.load(tmp_path, "train")
