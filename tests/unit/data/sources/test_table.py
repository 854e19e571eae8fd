from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.loader import Loader
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import Source
from cgan_dist.data.sources import csv_table, jsonl_table
from cgan_dist.data.spec import DataSpec
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, ProductLabels

LOAD = {"csv": csv_table.load, "jsonl": jsonl_table.load}
FILE = {"csv": "labels.csv", "jsonl": "labels.jsonl"}
FIRST_LINE = {"csv": 2, "jsonl": 1}
Row = dict[str, Any]


@pytest.fixture(params=["csv", "jsonl"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures 0.png to 5.png in sub/, each of the grey value 10 times its number."""
    (tmp_path / "sub").mkdir()
    for number in range(6):
        Image.new("RGB", (3, 2), (10 * number,) * 3).save(tmp_path / "sub" / f"{number}.png")
    return tmp_path


def write(folder: Path, kind: str, rows: list[Row]) -> None:
    """Writes a manifest; what is no text is written as JSON does in both formats."""
    with (folder / FILE[kind]).open("w", newline="") as file:
        if kind == "jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows({k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()} for row in rows)


def rows_of(column: str, values: list[object]) -> list[Row]:
    return [{"path": f"sub/{number}.png", column: value} for number, value in enumerate(values)]


def colors(source: Source) -> list[int]:
    return [int(source.read(index)[0, 0, 0]) for index in range(len(source))]


def error(folder: Path, kind: str, split: str = "train", **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        LOAD[kind](folder, split, **options)
    return str(caught.value)


@pytest.mark.parametrize("split", ["train", "all"])
def test_classes_are_named_by_a_column(folder: Path, kind: str, split: str) -> None:
    write(folder, kind, rows_of("label", ["dog", "cat", "dog", " eel "]))
    source = LOAD[kind](folder, split)
    assert source.schema == ClassLabels(names=["cat", "dog", "eel"])
    assert (source.labels.tolist(), source.labels.dtype) == ([1, 0, 1, 2], np.int64)
    assert colors(source) == [0, 10, 20, 30]
    assert source.description == f"{folder / FILE[kind]} ({split})"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["10", "9", "-1", "100"], ["-1", "9", "10", "100"]),
        ([10, 9, -1, 100], ["-1", "9", "10", "100"]),
        (["10", "9", "a", "a10", "a9"], ["9", "10", "a", "a9", "a10"]),
    ],
)
def test_class_names_are_in_natural_order(folder: Path, kind: str, values: list[object], names: list[str]) -> None:
    write(folder, kind, rows_of("label", values))
    source = LOAD[kind](folder, "train")
    assert source.schema == ClassLabels(names=names)
    assert [names[label] for label in source.labels] == [str(value) for value in values]


def test_columns_and_file_may_have_other_names(folder: Path, kind: str) -> None:
    write(folder, kind, [{"image": "sub/4.png", "breed": "pug"}, {"image": "sub/2.png", "breed": "asp"}])
    (folder / FILE[kind]).rename(folder / "mine")
    source = LOAD[kind](folder, "train", file="mine", path="image", label="breed")
    assert colors(source) == [40, 20]
    assert source.schema == ClassLabels(names=["asp", "pug"])


def test_attributes_are_bits_in_the_order_given(folder: Path, kind: str) -> None:
    hats, smiles = ["1", "0", "-1", "true", "FALSE"], [0, 1, -1, False, True]
    write(folder, kind, [row | {"smile": smile} for row, smile in zip(rows_of("hat", hats), smiles, strict=True)])
    source = LOAD[kind](folder, "train", attributes=["smile", "hat"])
    assert source.schema == AttributeLabels(names=["smile", "hat"])
    assert source.labels.T.tolist() == [[0, 1, 0, 0, 1], [1, 0, 0, 1, 0]]
    assert source.labels.dtype == np.uint8


def test_numbers_range_from_the_least_to_the_greatest(folder: Path, kind: str) -> None:
    write(folder, kind, [row | {"pose": -number} for number, row in enumerate(rows_of("age", ["30", 4.5, 71]))])
    source = LOAD[kind](folder, "train", continuous=["age", "pose"])
    assert source.schema == ContinuousLabels(names=["age", "pose"], ranges=[(4.5, 71.0), (-2.0, 0.0)])
    assert source.labels.tolist() == [[30.0, 0.0], [4.5, -1.0], [71.0, -2.0]]
    assert source.labels.dtype == np.float32


def test_ranges_may_be_stated(folder: Path, kind: str) -> None:
    write(folder, kind, rows_of("age", [30, 0.1]))
    source = LOAD[kind](folder, "train", continuous=["age"], ranges=[[0.1, 116]])
    assert source.schema == ContinuousLabels(names=["age"], ranges=[(0.1, 116.0)])
    message = error(folder, kind, continuous=["age"], ranges=[[0, 20]])
    assert f"{FILE[kind]}, line {FIRST_LINE[kind]}: age is 30, outside of the range 0 to 20" in message


LABELS_OF_SEVERAL_KINDS = {
    "label": "breed",
    "attributes": ["old", "wet"],
    "continuous": ["age", "pose"],
}


@pytest.mark.parametrize(
    "options",
    [("label", "attributes"), ("label", "continuous"), ("attributes", "continuous"), tuple(LABELS_OF_SEVERAL_KINDS)],
    ids="+".join,
)
def test_labels_of_several_kinds_make_a_product(folder: Path, kind: str, options: tuple[str, ...]) -> None:
    rows = [
        {"path": "sub/0.png", "breed": "pug", "old": 1, "wet": 0, "age": 3.5, "pose": -1},
        {"path": "sub/1.png", "breed": "asp", "old": 0, "wet": 0, "age": 1, "pose": 2},
        {"path": "sub/2.png", "breed": "pug", "old": 1, "wet": 1, "age": 2, "pose": 0.25},
    ]
    write(folder, kind, rows)
    source = LOAD[kind](folder, "train", **{option: LABELS_OF_SEVERAL_KINDS[option] for option in options})
    parts = {
        "label": (ClassLabels(names=["asp", "pug"]), [[1], [0], [1]]),
        "attributes": (AttributeLabels(names=["old", "wet"]), [[1, 0], [0, 0], [1, 1]]),
        "continuous": (
            ContinuousLabels(names=["age", "pose"], ranges=[(1.0, 3.5), (-1.0, 2.0)]),
            [[3.5, -1], [1, 2], [2, 0.25]],
        ),
    }
    assert source.schema == ProductLabels(parts=[parts[option][0] for option in options])
    assert source.labels.tolist() == np.hstack([np.array(parts[option][1]) for option in options]).tolist()
    assert source.labels.dtype == np.float32


def test_each_part_of_a_product_keeps_its_checks(folder: Path, kind: str) -> None:
    write(folder, kind, [row | {"breed": "pug", "age": 3} for row in rows_of("wet", [1, 7])])
    line = FIRST_LINE[kind] + 1
    assert f"line {line}: wet is " in error(folder, kind, label="breed", attributes=["wet"])
    assert "age is 3 in every row, which is no range" in error(folder, kind, label="breed", continuous=["age"])
    options: dict[str, Any] = {"label": "breed", "continuous": ["age"], "ranges": [[0, 2]]}
    assert "age is 3, outside of the range 0 to 2" in error(folder, kind, **options)


def test_a_class_with_the_name_of_an_attribute_makes_no_product(folder: Path, kind: str) -> None:
    write(folder, kind, [row | {"breed": "wet"} for row in rows_of("wet", [1, 0])])
    message = error(folder, kind, label="breed", attributes=["wet"])
    assert "'wet' is both a class of the column breed and a column of its own" in message
    assert "Rename one of the two" in message


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_a_product_is_prepared_verified_and_loaded(folder: Path, kind: str, encoding: Any, tmp_path: Path) -> None:
    values = [("pug", 1, 3.5), ("asp", 0, 1.0), ("pug", 1, 2.0), ("elk", 0, 0.1), ("asp", 1, 3.0), ("asp", 0, 2.2)]
    rows = rows_of("breed", [breed for breed, _, _ in values])
    write(folder, kind, [row | {"wet": wet, "age": age} for row, (_, wet, age) in zip(rows, values, strict=True)])
    source = LOAD[kind](folder, "train", label="breed", attributes=["wet"], continuous=["age"])
    write_shards(source, tmp_path / "out", Plan(shards=2, encoding=encoding), processes=1)
    shards = ShardSet(Storage(tmp_path / "out"), cache="none")
    shards.verify()
    assert shards.manifest.labels == source.schema
    assert {name: shards.manifest.histogram[name] for name in ("asp", "elk", "pug", "wet")} == {
        "asp": 3,
        "elk": 1,
        "pug": 2,
        "wet": 3,
    }
    images, labels = shards.load_all()
    order = images[:, 0, 0, 0] // 10  # each picture's grey says which it is
    assert sorted(order.tolist()) == list(range(6))
    assert np.array_equal(labels, source.labels[order])
    batch = next(Loader(shards, batch_size=4, streams=2, seed=0).batches(0))
    for image, label in zip(batch.images, batch.labels, strict=True):
        assert label.tolist() == source.labels[int(image[0, 0, 0]) // 10].tolist()
    assert isinstance(DataSpec.from_dict(json.loads(json.dumps(shards.manifest.spec.to_dict()))).labels, ProductLabels)


def test_a_column_may_say_the_split(folder: Path, kind: str) -> None:
    rows = rows_of("label", ["dog", "cat", "eel", "cat"])
    splits = ["train", "val", "val", "train"]
    write(folder, kind, [row | {"part": part} for row, part in zip(rows, splits, strict=True)])
    names = ["cat", "dog", "eel"]  # those of all splits, so that numbers agree
    for split, labels, values in [("train", [1, 0], [0, 30]), ("val", [0, 2], [10, 20]), ("all", [1, 0, 2, 0], None)]:
        source = LOAD[kind](folder, split, split_column="part")
        assert source.schema == ClassLabels(names=names)
        assert source.labels.tolist() == labels
        assert values is None or colors(source) == values
    assert error(folder, kind, "valid", split_column="part") == (
        "split 'valid': expected one of train, val, all. Did you mean 'val'?"
    )


def test_ranges_are_those_of_all_splits(folder: Path, kind: str) -> None:
    write(folder, kind, [row | {"part": f"p{row['age']}"} for row in rows_of("age", [1, 2, 3])])
    source = LOAD[kind](folder, "p2", continuous=["age"], split_column="part")
    assert source.schema == ContinuousLabels(names=["age"], ranges=[(1.0, 3.0)])
    assert source.labels.tolist() == [[2.0]]


def test_without_a_split_column_there_is_one_set(folder: Path, kind: str) -> None:
    write(folder, kind, rows_of("label", ["dog"]))
    assert error(folder, kind, "test") == "split 'test': expected one of train, all."


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/etc/passwd", "'/etc/passwd' is an absolute path outside of "),
        ("\\etc\\passwd", "'\\etc\\passwd' is an absolute path outside of "),
        ("..\\x.png", "'..\\x.png' leaves the folder"),
        ("C:\\x.png", "'C:\\x.png' is an absolute path"),
        ("../x.png", "'../x.png' leaves the folder; expected a path below it, without '..'"),
        ("sub/../../x.png", "'sub/../../x.png' leaves the folder"),
        ("sub/9.png", "sub/9.png is missing; paths are relative to "),
        ("sub", "sub is missing, with and without the suffix of a picture; paths are relative to "),
        ("", "path is ''; expected text"),
    ],
)
def test_a_path_that_leads_nowhere_or_away_is_refused(folder: Path, kind: str, path: str, message: str) -> None:
    write(folder, kind, [*rows_of("label", ["dog"]), {"path": path, "label": "cat"}])
    found = error(folder, kind)
    assert found.startswith(f"{folder / FILE[kind]}, line {FIRST_LINE[kind] + 1}: ")
    assert message in found


def test_only_the_pictures_of_the_split_must_be_there(folder: Path, kind: str) -> None:
    rows = [{"path": "sub/1.png", "label": "a", "part": "train"}, {"path": "absent.png", "label": "b", "part": "test"}]
    write(folder, kind, rows)
    assert colors(LOAD[kind](folder, "train", split_column="part")) == [10]
    assert "absent.png is missing" in error(folder, kind, "test", split_column="part")


@pytest.mark.parametrize(
    ("column", "value", "options", "message"),
    [
        ("label", "  ", {}, "expected the name or the number of a class"),
        ("hat", 2, {"attributes": ["hat"]}, "expected 1, true or yes, or 0, -1, false or no"),
        ("hat", 0.5, {"attributes": ["hat"]}, "expected 1, true or yes, or 0, -1, false or no"),
        ("hat", "nan", {"attributes": ["hat"]}, "expected 1, true or yes"),
        ("hat", "maybe", {"attributes": ["hat"]}, "hat is 'maybe'; expected 1, true or yes, or 0, -1, false or no"),
        ("age", "old", {"continuous": ["age"]}, "age is 'old'; expected a finite number"),
        ("age", "nan", {"continuous": ["age"]}, "age is 'nan'; expected a finite number"),
        ("age", "-inf", {"continuous": ["age"]}, "age is '-inf'; expected a finite number"),
        ("age", 1e39, {"continuous": ["age"]}, "expected a finite number"),
        ("age", True, {"continuous": ["age"]}, "expected a finite number"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    folder: Path, kind: str, column: str, value: object, options: dict[str, list[str]], message: str
) -> None:
    write(folder, kind, rows_of(column, ["1", value]))
    found = error(folder, kind, **options)
    assert found.startswith(f"{folder / FILE[kind]}, line {FIRST_LINE[kind] + 1}: {column} is ")
    assert message in found


@pytest.mark.parametrize("value", [None, 1.5, True, {"dog": 1}])
def test_json_values_that_name_no_class_are_refused(folder: Path, value: object) -> None:
    write(folder, "jsonl", rows_of("label", [value]))
    assert f"line 1: label is {value!r}; expected the name or the number of a class" in error(folder, "jsonl")
    write(folder, "jsonl", [{"path": value, "label": "dog"}])
    assert f"line 1: path is {value!r}; expected text" in error(folder, "jsonl")


def test_a_number_beyond_floats_is_refused(folder: Path) -> None:
    write(folder, "jsonl", rows_of("age", [10**400]))
    assert "expected a finite number" in error(folder, "jsonl", continuous=["age"])


def test_a_missing_column_is_named_with_the_close_match(folder: Path, kind: str) -> None:
    write(folder, kind, rows_of("labels", ["dog"]))
    line = FIRST_LINE[kind]
    assert f"line {line}: no column 'label'. Did you mean 'labels'? It has path, labels." in error(folder, kind)
    assert f"line {line}: no column 'image'." in error(folder, kind, path="image", label="labels")
    assert f"line {line}: no column 'part'." in error(folder, kind, split_column="part", label="labels")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": []}, "attributes: an empty list; name at least one column"),
        ({"continuous": []}, "continuous: an empty list; name at least one column"),
        ({"attributes": ["a", "a"]}, "attributes: 'a' is there twice; name each column once"),
        ({"label": "a", "attributes": []}, "attributes: an empty list; name at least one column"),
        ({"label": "a", "attributes": ["a"]}, "label and attributes: 'a' is there twice; name each column once"),
        ({"attributes": ["b", "a"], "continuous": ["a"]}, "attributes and continuous: 'a' is there twice"),
        ({"ranges": [[0, 1]]}, "ranges: only columns of the option continuous have a range"),
        ({"continuous": ["a", "b"], "ranges": [[0, 1]]}, "ranges: 1, expected one [low, high] for each of ['a', 'b']"),
        ({"continuous": ["a"], "ranges": [[1, 1]]}, "ranges: [1, 1]; expected [low, high] with low < high"),
        ({"continuous": ["a"], "ranges": [[1]]}, "ranges: [1]; expected [low, high] with low < high"),
        (
            {"continuous": ["a"], "ranges": [[0, float("inf")]]},
            "ranges: [0, inf]; expected [low, high] with low < high",
        ),
        (
            {"continuous": ["a"], "ranges": [[0, 1e300]]},
            "ranges: [0, 1e+300]; expected [low, high] with low < high, both within float32",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    folder: Path, kind: str, options: dict[str, Any], message: str
) -> None:
    write(folder, kind, rows_of("a", ["1"]))
    assert message in error(folder, kind, **options)


def test_one_value_in_every_row_is_no_range(folder: Path, kind: str) -> None:
    write(folder, kind, rows_of("age", [3, 3]))
    message = error(folder, kind, continuous=["age"])
    assert "age is 3 in every row, which is no range; leave it out, or state the option ranges" in message
    assert LOAD[kind](folder, "train", continuous=["age"], ranges=[[0, 9]]).labels.tolist() == [[3.0], [3.0]]


def test_a_missing_manifest_is_named(folder: Path, kind: str) -> None:
    write(folder, kind, rows_of("label", ["dog"]))
    message = error(folder, kind, file=f"label.{kind}")
    assert f"label.{kind}: no such file. Did you mean '{FILE[kind]}'? Name another with --option file=NAME" in message


def test_an_empty_manifest_is_refused(folder: Path) -> None:
    (folder / "labels.csv").touch()
    assert "labels.csv: empty; expected a line of column names" in error(folder, "csv")
    (folder / "labels.csv").write_text("path,label\n")
    assert "labels.csv: no rows; expected one per image" in error(folder, "csv")
    (folder / "labels.jsonl").write_text("\n")
    assert "labels.jsonl: no rows; expected one per image" in error(folder, "jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"path,label\nsub/0.png,dog,1\n",
            "line 2: 3 fields, expected 2: path, label. Fields are taken to be separated by comma; a field with a "
            'comma or a quote in it needs "quotes" around it',
        ),
        (b"path,label\n\nsub/0.png\n", "line 3: 1 fields, expected 2: path, label"),
        (b"path,label,path\nsub/0.png,dog,x\n", "the column 'path' is there twice; remove or rename one of the two"),
        (b'path,label\nsub/0.png,"dog\n', "line 2: not CSV: unexpected end of data"),
        (
            b'path\tlabel\n"sub/0.png" \tdog\n',
            "labels.csv, line 2: not CSV: '\t' expected after '\"'. Fields are taken to be separated by tab",
        ),
        (b"path,label\nsub/0.png,d\xf6g\n", "labels.csv: not a text file in UTF-8"),
    ],
)
def test_malformed_csv_is_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / "labels.csv").write_bytes(content)
    assert message in error(folder, "csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"path": "sub/0.png", "label": "a"}\n\n{"path": \n', "line 3: not JSON: Expecting value"),
        (b'["sub/0.png", "a"]\n', "line 1: a list, expected an object {...} per line"),
        (b"[" * 100_000, "line 1: not JSON: "),
        (b'{"path": "sub/0.png", "label": "d\xf6g"}', "labels.jsonl: not a text file in UTF-8"),
    ],
)
def test_malformed_jsonl_is_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / "labels.jsonl").write_bytes(content)
    assert message in error(folder, "jsonl")


def test_the_mark_of_spreadsheets_and_quoted_commas_are_read(folder: Path) -> None:
    (folder / "labels.csv").write_bytes(b'\xef\xbb\xbfpath, label\r\nsub/0.png,"dog, old"\r\n\r\nsub/1.png,cat\r\n')
    assert csv_table.load(folder, "train").schema == ClassLabels(names=["cat", "dog, old"])


def test_the_source_survives_pickling(folder: Path, kind: str) -> None:
    write(folder, kind, rows_of("label", ["dog", "cat"]))
    assert colors(pickle.loads(pickle.dumps(LOAD[kind](folder, "train")))) == [0, 10]


def test_a_damaged_picture_is_named_when_it_is_read(folder: Path, kind: str) -> None:
    write(folder, kind, rows_of("label", ["dog", "cat"]))
    (folder / "sub" / "1.png").write_bytes(b"damaged")
    source = LOAD[kind](folder, "train")
    with pytest.raises(UserError, match=r"sub/1.png: not a picture"):
        source.read(1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_first_line_says_what_separates_fields(folder: Path, delimiter: str) -> None:
    lines = ['path;label;"a,b,c,d"', 'sub/0.png;"dog; old";1', "sub/1.png;cat;0"]
    (folder / "labels.csv").write_text("\n".join(lines).replace(";", delimiter))
    source = csv_table.load(folder, "train", label="label", attributes=["a,b,c,d"])
    assert source.schema.names == ["cat", f"dog{delimiter} old", "a,b,c,d"]
    assert source.labels.tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize("asked", [":", "semicolon", None])
def test_what_separates_fields_can_be_said(folder: Path, asked: str | None) -> None:
    character, name = {":": (":", "x.csv"), "semicolon": (";", "x.csv"), None: ("\t", "x.tsv")}[asked]
    text = "path:label,of,the,picture\nsub/0.png:dog\n".replace(":", character)
    (folder / name).write_text(text)
    source = csv_table.load(folder, "train", file=name, label="label,of,the,picture", delimiter=asked)
    assert source.schema.names == ["dog"]


@pytest.mark.parametrize("delimiter", ["", "::", '"', "spaces"])
def test_what_cannot_separate_fields_is_refused(folder: Path, delimiter: str) -> None:
    write(folder, "csv", rows_of("label", ["dog"]))
    message = error(folder, "csv", delimiter=delimiter)
    assert message == f"delimiter: '{delimiter}'; expected one character, or one of comma, semicolon, tab, bar."


def test_json_lines_have_no_delimiter(folder: Path) -> None:
    write(folder, "jsonl", rows_of("label", ["dog"]))
    assert error(folder, "jsonl", delimiter=",") == "delimiter: an option of csv; JSON has its own."


@pytest.mark.parametrize(
    ("yes", "no"), [("1.0", "0.0"), (1.0, -1.0), ("yes", "No"), ("Y", "n"), ("t", "F"), (True, False), ("1", " -1 ")]
)
def test_attributes_come_in_many_spellings(folder: Path, kind: str, yes: object, no: object) -> None:
    write(folder, kind, rows_of("hat", [yes, no]))
    assert LOAD[kind](folder, "train", attributes=["hat"]).labels.tolist() == [[1], [0]]


def test_a_path_may_lack_its_suffix(folder: Path, kind: str) -> None:
    (folder / "sub" / "ISIC.1.JPG").write_bytes((folder / "sub" / "4.png").read_bytes())
    (folder / "sub" / "2.txt").touch()
    write(folder, kind, [{"path": path, "label": "a"} for path in ("sub/2", "sub/ISIC.1", "sub/3.png")])
    assert colors(LOAD[kind](folder, "train")) == [20, 40, 30]
    (folder / "sub" / "2.jpg").touch()
    assert f"line {FIRST_LINE[kind]}: 'sub/2' may be any of 2.jpg, 2.png; expected the suffix" in error(folder, kind)


def test_absolute_paths_may_lead_into_the_folder(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    paths = [folder / "sub" / "1.png", folder.resolve() / "sub" / "2"]
    write(folder, kind, [{"path": str(path), "label": "a"} for path in paths])
    assert colors(LOAD[kind](folder, "train")) == [10, 20]
    assert colors(LOAD[kind](link, "train")) == [10, 20]
    monkeypatch.chdir(folder.parent)
    assert colors(LOAD[kind](Path(folder.name), "train")) == [10, 20]


def test_backslashes_are_taken_for_slashes_unless_a_file_has_them(folder: Path, kind: str) -> None:
    (folder / "sub\\1.png").write_bytes((folder / "sub" / "5.png").read_bytes())
    write(folder, kind, [{"path": path, "label": "a"} for path in ("sub\\0.png", "sub\\1.png", "sub\\2")])
    assert colors(LOAD[kind](folder, "train")) == [0, 50, 20]
