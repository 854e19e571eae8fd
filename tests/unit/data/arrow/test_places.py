from __future__ import annotations

from pathlib import Path

import pytest

from cgan_dist.data.arrow.places import by_split, find_files
from cgan_dist.errors import UserError


@pytest.mark.parametrize(
    "found",
    [
        {"train": ["0000.parquet", "0001.parquet", "0010.parquet"]},
        {
            "train": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
            "test": ["data/test-00000-of-00001.parquet"],
        },
        {"train": ["cifar10-TRAIN.arrow"], "valid": ["cifar10-Validation.arrow"]},
        {"valid": ["dev/b9.parquet", "dev/b10.parquet"], "train": ["training/a.parquet"]},
        {"train": ["train-00000-of-00001.parquet"], "unsupervised": ["unsupervised-00000-of-00001.parquet"]},
        {"train": ["default/train/0000.parquet"], "test": ["default/test/0000.parquet"]},
        {"train": ["train/test_of_strength.parquet"], "test": ["test/other.parquet"]},
    ],
)
def test_names_say_the_split(found: dict[str, list[str]]) -> None:
    names = [name for own in found.values() for name in own]
    assert by_split(names[::-1], None, "set") == found


def test_several_configurations_are_told_apart() -> None:
    names = ["small/train-00000.parquet", "large/train-00000.parquet", "large/test/0.parquet"]
    assert by_split(names, "large", "set") == {"test": ["large/test/0.parquet"], "train": ["large/train-00000.parquet"]}
    with pytest.raises(UserError, match="several data sets in one: --option config=small, --option config=large"):
        by_split(names, None, "set")
    with pytest.raises(UserError, match="config: 'huge'; set has small, large"):
        by_split(names, "huge", "set")


def test_names_of_which_only_some_say_a_split_are_refused() -> None:
    with pytest.raises(UserError, match=r"set: which split are more.parquet of\? Others say it in their names \(train"):
        by_split(["train.parquet", "more.parquet"], None, "set")


def error(place: Path | None, split: str = "train") -> str:
    with pytest.raises(UserError) as caught:
        find_files(place, split, None, None)
    return str(caught.value)


def test_what_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert error(None).startswith("huggingface needs --source; expected a folder of .parquet files")
    assert "no .parquet file and no state.json in it" in error(tmp_path)
    (tmp_path / "pets").mkdir()
    assert "pet: no such folder or file. Did you mean 'pets'?" in error(tmp_path / "pet")
    (tmp_path / "pets.csv").touch()
    assert "pets.csv: expected a folder of .parquet files" in error(tmp_path / "pets.csv")
    for name in ("train.parquet", "test.parquet"):
        (tmp_path / "pets" / name).touch()
    assert find_files(tmp_path / "pets", "train", None, None).chosen == [tmp_path / "pets" / "train.parquet"]
    assert find_files(tmp_path / "pets" / "test.parquet", "train", None, None).chosen == [
        tmp_path / "pets/test.parquet"
    ]
    assert "split 'tset': " in (message := error(tmp_path / "pets", "tset"))
    assert "expected one of them or all. Did you mean 'test'?" in message
    (tmp_path / "pets" / "x.arrow").touch()
    assert ".parquet and .arrow files side by side" in error(tmp_path / "pets")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("{}", "state.json: names no files; expected _data_files"),
        ('{"_data_files": [{"filename": "../../secret.arrow"}]}', "state.json: names no files"),
        ('{"_data_files": [{"filename": "/etc/passwd"}]}', "state.json: names no files"),
        ('{"_data_files": [{"filename": "a.arrow"}]}', "a.arrow: missing, which state.json lists"),
        ('{"_data_files": [{"filename": "a.arrow"}], "_indices_data_files": [1]}', "a set of an old version"),
        ('{"_data_files": ', "state.json: not JSON in UTF-8, or cut off"),
    ],
)
def test_a_saved_set_lists_files_beside_it_and_nothing_else(tmp_path: Path, state: str, message: str) -> None:
    (tmp_path / "state.json").write_text(state)
    assert message in error(tmp_path)


def test_splits_of_a_saved_set_are_its_sub_folders(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["..", "train"]}')
    assert "expected {" in error(tmp_path)
