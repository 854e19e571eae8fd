"""The example of a source whose classes are unequal, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from examples.unequal_digits import digits
from tests.integration.conftest import Cli


def test_unequal_classes_are_told_and_evened_out(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "unequal"
    prepare = ("prepare", "examples.unequal_digits:digits", "--out", out, "--shards", 4)
    prepared = cli(*prepare, "--option", "ratio=25", "--processes", 1)
    assert prepared.exit_code == 0, prepared.output
    assert "unequal classes: 25 times as many images of 0 as of 9; data.balance: sqrt, or uniform," in prepared.output
    assert ShardSet(Storage(out)).manifest.histogram["9"] == 20
    checked = cli("check", "--config", config_file, f"data.path={out}", "data.balance=uniform")
    assert checked.exit_code == 0, checked.output
    assert "balance         0 10.0 % (of the data 30.9 %), 1 10.0 %" in checked.output
    assert "exact in every 200 images of a stream" in checked.output


def test_equal_classes_are_not_told(cli: Cli, shards_folder: Path, tmp_path: Path) -> None:
    assert "unequal" not in cli("inspect", shards_folder, "--sheet", tmp_path / "sheet.png").output


def test_every_class_keeps_an_image() -> None:
    thinned = digits(None, "train", ratio=1e9)
    assert np.bincount(thinned.labels)[[0, 9]].tolist() == [500, 1]
