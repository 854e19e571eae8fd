from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.image_sets import raw_file
from cgan_dist.image_sets.raw_file import RawFile
from tests.unit.image_sets.sets import SHAPE, noise


def test_parts_may_be_written_in_any_order_and_numpy_reads_the_whole(tmp_path: Path) -> None:
    images = noise(11)
    file = RawFile(tmp_path / "images.npy", (11, *SHAPE))
    for first, end in ((8, 11), (0, 4), (4, 8)):
        assert file.write(first, images[first:end]) == hashlib.sha256(images[first:end].tobytes()).hexdigest()
    assert np.array_equal(np.load(tmp_path / "images.npy"), images)
    assert np.array_equal(file(9), images[9])
    assert np.array_equal(pickle.loads(pickle.dumps(file))(0), images[0])


def test_digests_are_of_what_is_there(tmp_path: Path) -> None:
    images = noise(6)
    file = RawFile(tmp_path / "images.npy", (6, *SHAPE))
    assert file.digest(0, 2) is None
    digest = file.write(0, images[:4])
    assert file.digest(0, 4) == digest
    assert file.digest(4, 2) is None, "the file ends before"
    file.write(4, images[4:])
    file.write(1, images[5:])
    assert file.digest(0, 4) != digest


def test_a_large_part_is_written_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_file, "BLOCK", 7)
    images = noise(5)
    file = RawFile(tmp_path / "images.npy", (5, *SHAPE))
    file.write(0, images)
    assert np.array_equal(np.load(tmp_path / "images.npy"), images)


def test_images_that_are_not_contiguous_are_written_as_they_look(tmp_path: Path) -> None:
    images = noise(4)[::-1]
    file = RawFile(tmp_path / "images.npy", (4, *SHAPE))
    file.write(0, images)
    assert np.array_equal(np.load(tmp_path / "images.npy"), images)
