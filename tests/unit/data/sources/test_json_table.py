from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from cgan_dist.data.sources import json_table, jsonl_table
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ProductLabels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        Image.new("RGB", (3, 2), (10 * number,) * 3).save(tmp_path / f"{number}.png")
    return tmp_path


def write(folder: Path, value: object) -> Path:
    (folder / "labels.json").write_text(json.dumps(value))
    return folder


def error(folder: Path, **options: str) -> str:
    with pytest.raises(UserError) as caught:
        json_table.load(folder, "train", **options)
    return str(caught.value)


def test_lists_of_tags_are_attributes(folder: Path) -> None:
    source = json_table.load(
        write(folder, {"0.png": ["sea", "sky"], "2.png": [], "1.png": ["sky", "a10", "a9"]}), "train"
    )
    assert source.schema == AttributeLabels(names=["a9", "a10", "sea", "sky"])
    assert source.labels.tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 1]]
    assert [int(source.read(index)[0, 0, 0]) for index in range(3)] == [0, 20, 10]


@pytest.mark.parametrize(
    "value", [{"0.png": "cat", "1": "dog"}, [{"path": "0.png", "label": "cat"}, {"path": "1", "label": "dog"}]]
)
def test_names_are_classes(folder: Path, value: object) -> None:
    source = json_table.load(write(folder, value), "train")
    assert source.schema == ClassLabels(names=["cat", "dog"])
    assert source.labels.tolist() == [0, 1]


def test_objects_have_columns(folder: Path) -> None:
    write(folder, {"0.png": {"kind": ["a", "b"], "wet": 1}, "1.png": {"kind": ["b"], "wet": 0}})
    source = json_table.load(folder, "train", label="kind", attributes=["wet"])
    assert source.schema == ProductLabels(parts=[AttributeLabels(names=["a", "b"]), AttributeLabels(names=["wet"])])
    assert source.labels.tolist() == [[1, 1, 1], [0, 1, 0]]


def test_jsonl_has_lists_too(folder: Path) -> None:
    (folder / "labels.jsonl").write_text('{"path": "0.png", "label": ["sky"]}\n{"path": "1.png", "label": [7]}\n')
    source = jsonl_table.load(folder, "train")
    assert source.schema == AttributeLabels(names=["7", "sky"])
    assert source.labels.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"0.png": ["sky"], "1.png": "sea"}, "labels.json, line 2: 'sea'; other rows have lists of tags, expected one"),
        ({"0.png": [], "1.png": []}, "the lists of tags are all empty"),
        ({"0.png": [["sky"]]}, "line 1: label is ['sky']; expected the name or the number of a class"),
        ({"0.png": None}, "line 1: label is None; expected the name"),
        ({"../0.png": "sky"}, "leaves the folder"),
        ({}, "no rows; expected one per image"),
        (["0.png"], "line 1: a str, expected an object {...} per image"),
        ("0.png", "labels.json: a str; expected an object"),
        ([{"path": "0.png", "labels": "a"}], "no column 'label'. Did you mean 'labels'?"),
    ],
)
def test_what_fits_no_layout_is_refused(folder: Path, value: object, message: str) -> None:
    assert message in error(write(folder, value))


def test_what_is_no_json_is_refused(folder: Path) -> None:
    (folder / "labels.json").write_text('{"0.png": ')
    assert "labels.json: not JSON in UTF-8, or cut off" in error(folder)
    assert "delimiter: an option of csv" in error(folder, delimiter="tab")
    (folder / "labels.json").unlink()
    assert "labels.json: no such file" in error(folder)
