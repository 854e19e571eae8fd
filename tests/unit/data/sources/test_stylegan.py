from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.source import Source
from cgan_dist.data.sources import folder as folder_source
from cgan_dist.data.sources import json_table, jsonl_table, stylegan
from cgan_dist.data.sources.picture_archive import ZippedPictures
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels

NAMES = [f"{number // 2:05d}/img{number:08d}.png" for number in range(4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The layout of StyleGAN's dataset_tool: folders number the pictures; the grey value is 10 times its number."""
    for number, name in enumerate(NAMES):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (10 * number,) * 3).save(path)
    return tmp_path / "set"


def write(folder: Path, labels: list[object], names: list[str] = NAMES) -> Path:
    (folder / "dataset.json").write_text(json.dumps({"labels": list(zip(names, labels, strict=True))}))
    return folder


def zipped(folder: Path, inside: bool = False) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder.parent if inside else folder, "set" if inside else "."))


def colors(source: Source) -> list[int]:
    return [int(source.read(index)[0, 0, 0]) for index in range(len(source))]


def error(folder: Path, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        stylegan.load(folder, "train", **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("form", ["folder", "zip", "zip of the folder"])
def test_numbers_are_classes_whatever_the_folders(folder: Path, form: str) -> None:
    write(folder, [2, 0, 1, 2][::-1], NAMES[::-1])  # in any order
    place = folder if form == "folder" else zipped(folder, inside=form != "zip")
    source = stylegan.load(place, "train")
    assert source.schema == ClassLabels(names=["0", "1", "2"])
    assert source.labels.tolist() == [2, 0, 1, 2]
    assert colors(source) == [0, 10, 20, 30]
    assert colors(pickle.loads(pickle.dumps(source))) == [0, 10, 20, 30]
    assert source.description == f"StyleGAN's {place} (train)"


def test_names_may_be_given_or_be_in_a_file(folder: Path, tmp_path: Path) -> None:
    write(folder, [0, 1, 0, 1])
    assert stylegan.load(folder, "train", class_names=["cat", "dog"]).schema == ClassLabels(names=["cat", "dog"])
    (tmp_path / "names.txt").write_text("cat\ndog\neel\n")
    named = stylegan.load(folder, "train", class_names=str(tmp_path / "names.txt"))
    assert named.schema == ClassLabels(names=["cat", "dog", "eel"])
    assert "image 1 has label 1; expected 0..0" in error(folder, class_names=["cat"])


@pytest.mark.parametrize(
    ("vectors", "schema", "labels"),
    [
        ([[0, 1], [1, 0], [0, 1], [0, 1.0]], ClassLabels(names=["0", "1"]), [1, 0, 1, 1]),
        (
            [[0, 1], [1, 1], [0, 0], [0, 1]],
            AttributeLabels(names=["attribute_0", "attribute_1"]),
            [[0, 1], [1, 1], [0, 0], [0, 1]],
        ),
        ([[0], [1], [1], [0]], AttributeLabels(names=["attribute_0"]), [[0], [1], [1], [0]]),
        (
            [[0.5, 1], [0, -2], [1, 3], [0, 0]],
            ContinuousLabels(names=["value_0", "value_1"], ranges=[(0.0, 1.0), (-2.0, 3.0)]),
            [[0.5, 1], [0, -2], [1, 3], [0, 0]],
        ),
    ],
)
def test_vectors_say_by_their_values_what_they_are(
    folder: Path, vectors: list[object], schema: object, labels: list[object]
) -> None:
    source = stylegan.load(write(folder, vectors), "all")
    assert source.schema == schema
    assert source.labels.tolist() == labels


def test_what_vectors_are_can_be_said(folder: Path) -> None:
    write(folder, [[0, 1], [1, 0], [0, 1], [0, 1]])
    attributes = stylegan.load(folder, "train", kind="attributes", class_names=["hat", "smile"])
    assert attributes.schema == AttributeLabels(names=["hat", "smile"])
    assert isinstance(stylegan.load(folder, "train", kind="continuous").schema, ContinuousLabels)
    write(folder, [[0, 1], [1, 1], [0, 1], [0, 1]])
    assert "kind: classes are vectors with a single 1" in error(folder, kind="classes")
    write(folder, [0, 1, 0, 1])
    assert "kind: attributes are vectors, and " in error(folder, kind="attributes")


def test_no_labels(folder: Path) -> None:
    assert "set: no dataset.json. Expected it beside the pictures" in error(folder)
    assert stylegan.load(folder, "train", unlabelled=True).schema == NoLabels()
    (folder / "dataset.json").write_text('{"labels": null}')
    source = stylegan.load(zipped(folder), "train")
    assert (source.schema, source.labels.shape) == (NoLabels(), (4, 0))
    assert stylegan.load(write(folder, [None] * 4), "train").schema == NoLabels()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [0, 1.5, 1, 0],
            "picture 1 has the label 1.5; expected the whole number of a class, or vectors, such as [1.5]",
        ),
        ([0, None, 1, 0], "picture 1 has the label None, the first 0; expected numbers for all"),
        ([0, [1], 1, 0], "picture 1 has the label [1], the first 0; expected numbers for all"),
        (["cat", "dog", "cat", "dog"], "picture 0 has the label 'cat', the first 'cat'; expected numbers for all"),
        ([True, False, True, True], "picture 0 has the label True"),
        ([[0, 1], [1], [0, 1], [0, 1]], "vectors of 1, 2 numbers; expected one length"),
        ([[], [], [], []], "vectors of 0 numbers; expected one length"),
        ([-1, 0, 1, 0], "label -1; expected the number of a class"),
        ([1, 2, 1, 2], "the labels are 1 to 2, none is 0; class 0 would have no image. Give --option first_label=1"),
    ],
)
def test_labels_of_no_kind_are_refused(folder: Path, labels: list[object], message: str) -> None:
    assert message in error(write(folder, labels))


def test_names_and_pictures_must_agree(folder: Path) -> None:
    write(folder, [0, 1, 0], NAMES[:3])
    assert f"dataset.json: no label for {NAMES[3]}." in error(folder)
    write(folder, [0, 1, 0, 1, 0], [*NAMES, "00009/img00000099.png"])
    assert "00009/img00000099.png of dataset.json are not there, or are no pictures; 1 of 5" in error(folder)
    write(folder, [0, 1, 0, 1], [*NAMES[:3], NAMES[0]])
    assert f"'{NAMES[0]}' is there twice" in error(folder)
    write(folder, [0, 1, 0, 1], ["../../etc/passwd", *NAMES[1:]])
    assert f"no label for {NAMES[0]}" in error(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"labels": [["00000/img', "not JSON in UTF-8, or cut off"),
        (b'{"labels": 3}', "labels is a int; expected {"),
        (b'{"labels": [["a.png", 0, 1]]}', "entry 0 of labels is ['a.png', 0, 1]; expected [name, label]"),
        (b'{"labels": ["a.png"]}', "entry 0 of labels is 'a.png'; expected [name, label]"),
    ],
)
def test_a_malformed_list_is_named(folder: Path, content: bytes, message: str) -> None:
    (folder / "dataset.json").write_bytes(content)
    for place in (folder, zipped(folder)):
        found = error(place)
        assert found.startswith(f"{place / 'dataset.json'}: ")
        assert message in found


def test_what_is_no_zip_or_a_damaged_one_is_named(folder: Path, tmp_path: Path) -> None:
    assert "stylegan needs --source, a folder or a zip" in error(None)  # type: ignore[arg-type]
    assert "no such folder or file. Did you mean 'set'?" in error(tmp_path / "sett")
    path = zipped(write(folder, [0, 1, 0, 1]))
    with zipfile.ZipFile(path) as file:
        start = file.getinfo(NAMES[1]).header_offset + 30 + len(NAMES[1]) + 12
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "set.zip: not a zip, or cut off" in error(path)
    path.write_bytes(whole[:start] + bytes(20) + whole[start + 20 :])
    source = stylegan.load(path, "train")
    with pytest.raises(UserError, match=f"set.zip/{NAMES[1]}: "):
        source.read(1)
    assert source.read(0)[0, 0, 0] == 0


def test_a_picture_that_claims_to_be_huge_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = stylegan.load(zipped(write(folder, [0, 1, 0, 1])), "train")
    monkeypatch.setenv("CGAN_DIST_MEMBER_BYTES", "10")
    assert isinstance(source.read, ZippedPictures)
    with pytest.raises(UserError, match="expected at most 10 for one file in a zip"):
        source.read(0)


def test_sources_that_would_misread_it_point_here(folder: Path) -> None:
    write(folder, [0, 1, 0, 1])
    hint = f"Type cgan-dist prepare stylegan --source {folder}"
    for load, options in [
        (folder_source.load, {}),
        (folder_source.load, {"ignore_others": True}),
        (jsonl_table.load, {"file": "dataset.json"}),
        (json_table.load, {"file": "dataset.json"}),
    ]:
        with pytest.raises(UserError) as caught:
            load(folder, "train", **options)  # type: ignore[operator]
        assert hint in str(caught.value)
    assert len(folder_source.load(folder, "train", unlabelled=True, ignore_others=True)) == 4
    (folder / "dataset.json").write_text('{"name": "of mine"}')
    assert len(folder_source.load(folder, "train", ignore_others=True)) == 4
    with pytest.raises(UserError, match="Unpack it; one with dataset.json in it .*prepare stylegan"):
        folder_source.load(zipped(folder), "train")


def test_labels_survive_as_they_are(folder: Path) -> None:
    source = stylegan.load(write(folder, [0, 1.0, 0, 1]), "train")
    assert (source.labels.tolist(), source.labels.dtype) == ([0, 1, 0, 1], np.int64)
