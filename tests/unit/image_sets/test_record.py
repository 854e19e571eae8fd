from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cgan_dist.errors import UserError
from cgan_dist.image_sets.record import SetRecord

RECORD = SetRecord(
    form="npz",
    options={},
    count=10,
    labels="taking turns",
    seed=0,
    truncation=0.7,
    checkpoint="step-000000000064",
    checkpoint_sha256="ab" * 32,
    images_seen=64,
    image_shape=[8, 8, 1],
    label_schema={"kind": "continuous", "names": ["pose"], "ranges": [(0.0, 1.0)]},
    made_with={"torch": "2.6"},
)


def test_a_record_is_equal_to_itself_when_it_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(RECORD.to_json("cd" * 32))
    assert RECORD.differences(path) == []
    assert json.loads(path.read_text())["sha256"] == "cd" * 32


def test_every_difference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(RECORD.to_json())
    assert replace(RECORD, seed=1, truncation=None).differences(path) == [
        "seed: 0 there, 1 now",
        "truncation: 0.7 there, None now",
    ]


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"format": "cgan_dist generated set 0"}', "\0"])
def test_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"record.json: .*expected the record of a generated set"):
        RECORD.differences(path)
