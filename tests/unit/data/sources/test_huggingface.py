from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from cgan_dist.data.source import Source
from cgan_dist.data.sources import huggingface
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, ProductLabels
from tests.hub_server import Hub
from tests.unit.data.arrow.hugging_sets import COUNT, KINDS, VALUES, made

ALL = tuple(KINDS)
GREYS = [10 * number for number in range(COUNT)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same set as Parquet and as saved, of two splits each, the second with other greys."""
    folder = tmp_path_factory.mktemp("written")
    both = datasets.DatasetDict(train=made(*ALL), test=made(*ALL, start=100))
    both.save_to_disk(folder / "saved")
    (folder / "parquet").mkdir()
    for split, one in both.items():
        for number in range(2):
            part = one.shard(2, number, contiguous=True)
            part.to_parquet(folder / "parquet" / f"{split}-{number:05d}-of-00002.parquet", batch_size=2)
    return folder


@pytest.fixture(params=["parquet", "saved"])
def place(written: Path, request: pytest.FixtureRequest) -> Path:
    return written / str(request.param)


def greys(source: Source) -> list[int]:
    return [int(source.read(index)[0, 0, 0]) for index in range(len(source))]


def error(place: Path | None, split: str = "train", **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        huggingface.load(place, split, **options)
    return str(caught.value)


def test_names_and_pictures_are_those_of_the_set(place: Path) -> None:
    source = huggingface.load(place, "train")
    assert source.schema == ClassLabels(names=["cat", "dog", "eel"])
    assert source.labels.tolist() == VALUES["label"]
    assert greys(source) == GREYS
    assert source.read(3).shape == (4, 4, 3)
    assert source.description == f"{place} (train)"
    assert sorted(greys(huggingface.load(place, "all"))) == GREYS + [100 + grey for grey in GREYS]
    test = huggingface.load(place, "testing")
    assert greys(pickle.loads(pickle.dumps(test))) == [100 + grey for grey in GREYS]


@pytest.mark.parametrize(
    ("column", "schema", "labels"),
    [
        ("number", ClassLabels(names=[str(number) for number in range(11)]), VALUES["number"]),
        ("word", ClassLabels(names=["b9", "b10"]), [1, 0, 0, 1, 0, 0]),
        ("wet", AttributeLabels(names=["wet"]), [[1], [0], [0], [1], [1], [0]]),
        ("age", ContinuousLabels(names=["age"], ranges=[(0.5, 5.0)]), [[0.5], [1], [2], [3], [4], [5]]),
        (
            "tags",
            AttributeLabels(names=["x", "y", "z"]),
            [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]],
        ),
        ("words", AttributeLabels(names=["u", "v"]), [[1, 0], [1, 1], [0, 0], [0, 1], [1, 0], [0, 0]]),
        ("bits", AttributeLabels(names=["bits_0", "bits_1"]), VALUES["bits"]),
        ("pose", ContinuousLabels(names=["pose_0", "pose_1"], ranges=[(0.0, 1.0), (0.0, 3.0)]), VALUES["pose"]),
    ],
)
def test_a_column_says_by_its_type_what_labels_are(place: Path, column: str, schema: Any, labels: list[Any]) -> None:
    source = huggingface.load(place, "train", label=column)
    assert source.schema == schema
    assert source.labels.tolist() == labels


def test_several_columns_make_a_product(place: Path) -> None:
    source = huggingface.load(place, "test", label=["age", "wet", "label", "words"])
    assert source.schema == ProductLabels(
        parts=[
            ClassLabels(names=["cat", "dog", "eel"]),
            AttributeLabels(names=["wet", "u", "v"]),
            ContinuousLabels(names=["age"], ranges=[(0.5, 5.0)]),
        ]
    )
    assert source.labels[0].tolist() == [0, 1, 1, 0, 0.5]
    attributes = huggingface.load(place, "test", label=["wet", "tags"])
    assert attributes.schema == AttributeLabels(names=["wet", "x", "y", "z"])


def test_two_columns_of_the_same_names_are_refused(tmp_path: Path) -> None:
    answers = ["yes", "no"] * 3
    pyarrow.parquet.write_table(table(image=bytes_of(made()), old=answers, wet=answers), tmp_path / "a.parquet")
    assert "two columns of labels have the name 'no'" in error(tmp_path, label=["old", "wet"])


def test_arrays_are_pictures_too(place: Path) -> None:
    assert greys(huggingface.load(place, "train", image="pixels")) == GREYS


def test_names_may_be_given_and_labels_left_out(place: Path) -> None:
    assert huggingface.load(place, "train", class_names=["a", "b"]).schema == ClassLabels(names=["a", "b"])
    named = huggingface.load(place, "train", label="tags", class_names=["p", "q", "r"])
    assert named.schema == AttributeLabels(names=["p", "q", "r"])
    source = huggingface.load(place, "train", unlabelled=True)
    assert (source.schema, len(source)) == (NoLabels(), COUNT)
    assert "class_names: the names of one column, and label names 2" in error(
        place, label=["label", "wet"], class_names=["a", "b"]
    )


def test_what_is_open_or_wrong_is_asked(place: Path, tmp_path: Path) -> None:
    assert f"label: {place} has no column 'labelz'. Did you mean 'label'?" in error(place, label="labelz")
    assert f"image: {place} has no column 'img'. Did you mean 'image'? It has image, label, " in error(
        place, image="img"
    )
    assert "label: 'wet' is there twice" in error(place, label=["wet", "wet"])
    assert f"{place}, column image: struct<" in error(place, label="image")
    made("number", "word").to_parquet(tmp_path / "x.parquet")
    assert "which column has the labels? It has image, number, word. Say --option label=NAME" in error(tmp_path)
    (tmp_path / "x.parquet").unlink()
    made("number").remove_columns("image").to_parquet(tmp_path / "x.parquet")
    assert "no column of pictures (bytes of files, or arrays) among number" in error(tmp_path)


def table(**columns: Any) -> Any:
    """What something else than `datasets` writes: no metadata."""
    return pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})


def bytes_of(source: datasets.Dataset) -> list[bytes]:
    return [row["bytes"] for row in source.cast_column("image", datasets.Image(decode=False))["image"]]


def test_parquet_of_others_is_read_by_its_types(tmp_path: Path) -> None:
    content = bytes_of(made())
    kinds = pyarrow.array(["a", "b", "a", "b", "a", "b"]).dictionary_encode()
    pyarrow.parquet.write_table(table(jpg=content, label=[0, 1, 2, 0, 1, 2], kind=kinds), tmp_path / "a.parquet")
    source = huggingface.load(tmp_path / "a.parquet", "train", label=["label", "kind"])
    assert source.schema == ProductLabels(parts=[ClassLabels(names=["0", "1", "2"]), ClassLabels(names=["a", "b"])])
    assert greys(source) == GREYS
    pyarrow.parquet.write_table(table(a=content, b=content, label=GREYS), tmp_path / "a.parquet")
    assert "which column has the pictures, a, b? Say it: --option image=a" in error(tmp_path)
    assert greys(huggingface.load(tmp_path, "train", image="b")) == GREYS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, -1, 0, 1, -1], "2 of 6 rows have the label -1, as sets do whose test labels are kept back"),
        ([0, 1, None, 0, 1, 1], "1 of 6 rows have no label. Choose another column with --option label=NAME"),
        ([0, 1, 3, 0, 1, 1], "image 2 has label 3; expected 0..2"),
    ],
)
def test_rows_without_a_label_are_refused(tmp_path: Path, values: list[int | None], message: str) -> None:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"image": made()["image"], "label": values}
    named = datasets.Dataset.from_dict(rows, features=features)
    named = datasets.Dataset(named.data.table, named.info)  # ClassLabel would refuse 3 itself
    named.info.features["label"] = KINDS["label"]
    path = tmp_path / "train.parquet"
    schema = named.features.arrow_schema
    pyarrow.parquet.write_table(named.data.table.cast(schema).replace_schema_metadata(schema.metadata), path)
    assert message in error(tmp_path)


def test_a_broken_or_absent_picture_is_named_when_it_is_read(tmp_path: Path) -> None:
    content = bytes_of(made())
    pictures = [{"bytes": one, "path": None} for one in content]
    pictures[2] = {"bytes": None, "path": "/etc/passwd"}
    pictures[4] = {"bytes": content[4][:45], "path": None}
    pyarrow.parquet.write_table(table(image=pictures, label=GREYS), tmp_path / "a.parquet")
    source = huggingface.load(tmp_path, "train")
    assert source.read(3)[0, 0, 0] == 30
    with pytest.raises(UserError, match=r"a.parquet, row 2, image: no picture, but only the path '/etc/passwd'"):
        source.read(2)
    with pytest.raises(UserError, match=r"a.parquet, row 4, image: truncated or corrupt"):
        source.read(4)


def test_paths_are_followed_below_one_folder_alone(tmp_path: Path) -> None:
    for number, name in enumerate(("in/0.png", "in/1.png", "out.png")):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), (10 * number,) * 3).save(tmp_path / name)
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    paths = [str(tmp_path / "in" / "0.png"), str(tmp_path / "in" / "1.png"), str(tmp_path / "out.png")]
    datasets.Dataset.from_dict({"image": paths, "label": [0, 1, 0]}, kinds).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        UserError, match=r"only the path '.*0.png', which is not followed: give --option picture_folder"
    ):
        huggingface.load(tmp_path, "train").read(0)
    source = huggingface.load(tmp_path, "train", picture_folder=str(tmp_path / "in"))
    assert [int(source.read(index)[0, 0, 0]) for index in range(2)] == [0, 10]
    with pytest.raises(UserError, match="row 2, image: '.*out.png' is an absolute path outside of "):
        source.read(2)
    assert "no such folder" in error(tmp_path, picture_folder=str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((4, 4), 256), r"values from 256 to 256; expected 0 to 255"),
        (np.zeros((4, 4, 2), int), r"an array \(4, 4, 2\) of int64; expected \(H, W\)"),
        (np.zeros((4, 4, 3)), r"an array \(4, 4, 3\) of float64"),
    ],
)
def test_arrays_of_other_shapes_or_values_are_named(tmp_path: Path, pixels: np.ndarray, message: str) -> None:
    pyarrow.parquet.write_table(table(image=[pixels.tolist()] * 2, label=[0, 1]), tmp_path / "a.parquet")
    source = huggingface.load(tmp_path, "train", image="image")
    with pytest.raises(UserError, match=f"row 1, image: {message}"):
        source.read(1)


def test_planes_first_are_told_from_planes_last(tmp_path: Path) -> None:
    pixels = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    pyarrow.parquet.write_table(table(image=[pixels.tolist()], label=[0]), tmp_path / "a.parquet")
    assert np.array_equal(huggingface.load(tmp_path, "train", image="image").read(0), pixels.transpose(1, 2, 0))


def test_damaged_files_are_named(written: Path, tmp_path: Path) -> None:
    for suffix, whole in (
        ("parquet", (written / "parquet" / "train-00000-of-00002.parquet").read_bytes()),
        ("arrow", next((written / "saved" / "train").glob("*.arrow")).read_bytes()),
    ):
        path = tmp_path / f"train.{suffix}"
        for damaged in (whole[: len(whole) // 2], b"", b"nothing of the kind"):
            path.write_bytes(damaged)
            assert f"train.{suffix}: damaged, or not what its name says: " in error(path)
        path.unlink()
    made("word").to_parquet(tmp_path / "a.parquet")
    made("age").to_parquet(tmp_path / "b.parquet")
    assert "b.parquet: its columns are image, age, those of a.parquet are image, word" in error(tmp_path)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_damage_of_any_kind_is_named_or_harmless(tmp_path: Path, form: str) -> None:
    source = made("label", "words")
    source.to_parquet(tmp_path / "train.parquet") if form == "parquet" else source.save_to_disk(tmp_path)
    path = next(tmp_path.glob(f"*.{form}"))
    whole, named = path.read_bytes(), []
    for seed in range(80):
        draw = np.random.default_rng(seed)
        damaged = bytearray(whole)
        for place in draw.integers(len(whole), size=draw.integers(1, 4)):
            damaged[place] ^= int(draw.integers(1, 256))
        path.write_bytes(damaged)
        try:
            found = huggingface.load(tmp_path, "train", label="words")
            greys(found)
        except UserError as damage:
            named.append(str(damage))
    assert len(named) > 10
    assert all(str(tmp_path) in message for message in named)


def test_pictures_of_parquet_lie_in_a_folder_that_goes(written: Path, tmp_path: Path) -> None:
    source = huggingface.load(written / "parquet", "train", cache_dir=str(tmp_path / "room"))
    assert len(list((tmp_path / "room").glob("cgan-dist-*/*.arrow"))) == 2
    copy = pickle.loads(pickle.dumps(source.read))
    del copy
    assert len(os.listdir(tmp_path / "room")) == 1  # the other process's copy owns nothing
    del source
    assert os.listdir(tmp_path / "room") == []
    huggingface.load(written / "saved", "train", cache_dir=str(tmp_path / "room"))
    assert os.listdir(tmp_path / "room") == []  # Arrow is read where it lies


def test_want_of_room_is_said_before_anything_is_read(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10}))
    message = error(written / "parquet", cache_dir=str(tmp_path))
    assert f"{tmp_path}: cannot keep pictures of Parquet there meanwhile" in message
    assert "--option cache_dir=FOLDER" in message
    (tmp_path / "file").touch()
    assert "file: cannot keep pictures of Parquet there" in error(written / "parquet", cache_dir=str(tmp_path / "file"))


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert error(tmp_path) == "huggingface: needs PyArrow; pip install 'cgan_dist[hf]' brings it."


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    resolved = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", resolved)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    monkeypatch.chdir(tmp_path)
    yield server
    server.close()


def test_of_a_set_on_the_hub_only_the_parquet_of_the_split_is_fetched(hub: Hub, written: Path, tmp_path: Path) -> None:
    files = {f"data/{path.name}": path.read_bytes() for path in (written / "parquet").iterdir()}
    hub.repositories["datasets/ada/pets"] = files | {"pets.py": b"raise SystemExit", "README.md": b""}
    source = huggingface.load(Path("ada/pets"), "test")
    assert greys(source) == [100 + grey for grey in GREYS]
    assert source.description == "ada/pets (test)"
    fetched = {path.name for path in (tmp_path / "hub").rglob("*") if path.is_symlink() or path.suffix}
    assert {name for name in fetched if "." in name and "of" in name} == {
        f"test-0000{n}-of-00002.parquet" for n in (0, 1)
    }
    assert "pets.py" not in fetched


def test_of_a_set_in_another_form_the_hubs_own_conversion_is_fetched(hub: Hub, written: Path) -> None:
    hub.repositories["datasets/ada/pets"] = {"pets.py": b"raise SystemExit"}
    assert "this set has no Parquet files, nor has the Hub converted it. It has pets.py" in error(Path("ada/pets"))
    content = (written / "parquet" / "train-00001-of-00002.parquet").read_bytes()
    hub.repositories["datasets/ada/pets@refs/convert/parquet"] = {"default/train/0000.parquet": content}
    assert greys(huggingface.load(Path("ada/pets"), "train")) == GREYS[3:]


def test_what_the_hub_refuses_is_explained(hub: Hub) -> None:
    assert error(Path("ada/pets")).startswith(
        "--source ada/pets: no such folder here, and the Hub has no such data set"
    )
    hub.repositories["datasets/ada/pets"] = {"a.parquet": b""}
    assert "and on the Hub no such revision" in error(Path("ada/pets"), revision="v9")
    hub.refusal = 503
    message = error(Path("ada/pets"))
    assert "no such folder here, and the Hub cannot be asked for a set of that name: " in message
    assert "Without a network give the path of a folder of .parquet files, or of what save_to_disk wrote." in message


def test_without_a_network_the_error_says_what_can_be_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    message = error(Path("ada/pets"))
    assert message.startswith("--source ada/pets: no such folder here, and the Hub cannot be asked for a set")
    assert message.endswith(
        "Without a network give the path of a folder of .parquet files, or of what save_to_disk wrote."
    )
