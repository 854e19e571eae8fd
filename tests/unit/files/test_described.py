"""Safetensors with facts: what is written is read, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import save_file

from cgan_dist.bounds import Bound
from cgan_dist.errors import UserError
from cgan_dist.files.described import HEADER, read_described, write_described

BOUND = Bound("described_test_bytes", 2_000, "bytes", "a file of this test")
EXPECTED = "expected one of this test."


class Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    count: int


def test_what_is_written_is_read_whatever_its_layout(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    values = torch.arange(6.0).reshape(2, 3).T  # not contiguous
    write_described(path, {"values": values, "same": values}, Facts(count=3))
    tensors, facts = read_described(path, BOUND, Facts, EXPECTED)
    assert facts == Facts(count=3)
    assert sorted(tensors) == ["same", "values"]
    assert tensors["values"].equal(values)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({}, "its header: "),
        ({HEADER: "{"}, "its header: Invalid JSON"),
        ({HEADER: '{"count": "3"}'}, "its header, count: Input should be a valid integer"),
        ({HEADER: '{"count": 3, "more": 1}'}, "its header, more: Extra inputs"),
        ({HEADER: "[" * 100_000}, "larger|its header|at most"),
    ],
)
def test_facts_of_another_form_are_refused(tmp_path: Path, header: dict[str, str], told: str) -> None:
    path = tmp_path / "file.safetensors"
    save_file({"values": torch.zeros(1)}, path, metadata=header)
    with pytest.raises(UserError, match=told):
        read_described(path, BOUND, Facts, EXPECTED)


def test_what_is_no_such_file_is_told_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    with pytest.raises(UserError, match="cannot read: No such file"):
        read_described(path, BOUND, Facts, EXPECTED)
    path.write_bytes(b"\x80\x04pickled")
    with pytest.raises(UserError, match="file.safetensors: no safetensors file: .* expected one of this test"):
        read_described(path, BOUND, Facts, EXPECTED)
    path.write_bytes(bytes(3_000))
    with pytest.raises(UserError, match="3,000 bytes, expected at most 2,000 for a file of this test"):
        read_described(path, BOUND, Facts, EXPECTED)
    path.unlink()
    os.mkfifo(path)  # would wait for ever
    with pytest.raises(UserError, match="a named pipe"):
        read_described(path, BOUND, Facts, EXPECTED)
