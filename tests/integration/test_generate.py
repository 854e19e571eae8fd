"""`cgan-dist generate`: sets of images in every form, whole, the same again, and of use to the other commands."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.checkpoints.store import find_checkpoint
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from tests.integration.conftest import Cli
from tests.launching import ROOT, environment
from tests.unit.image_sets.sets import files_of


def test_an_npz_has_classes_that_take_turns(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.npz"
    result = cli("generate", small_run, "--format", "npz", "--count", 100, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"{out}: 100 images from" in result.output
    with np.load(out) as found:
        assert (found["images"].shape, found["images"].dtype) == ((100, 8, 8, 1), np.uint8)
        assert (found["labels"].shape, found["labels"].dtype) == ((100,), np.int64)
        assert np.bincount(found["labels"]).tolist() == [34, 33, 33]
        assert found["class_names"].tolist() == ["rows", "columns", "flat"]


def test_the_record_says_what_the_set_is(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    arguments = ("--labels", "flat,0", "--truncation", 0.5, "--seed", 3, "--count", 20, "--format", "npz")
    assert cli("generate", small_run, *arguments, "--out", tmp_path / "a.npz").exit_code == 0
    record = json.loads((tmp_path / "a.npz.json").read_text())
    assert (record["count"], record["labels"], record["seed"], record["truncation"]) == (20, "flat,0", 3, 0.5)
    checkpoint = find_checkpoint(small_run)
    assert (record["checkpoint"], record["images_seen"]) == (checkpoint.folder.name, 64)
    assert len(record["checkpoint_sha256"]) == len(record["sha256"]) == 64
    assert record["made_with"]["device"] == "cpu"
    assert str(tmp_path) not in (tmp_path / "a.npz.json").read_text()


def test_shards_can_be_verified_and_trained_on(cli: Cli, small_run: Path, config_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    options = ("--format", "shards", "--option", "shards=4", "--count", 60)
    assert cli("generate", small_run, *options, "--out", out).exit_code == 0
    result = cli("verify", out)
    assert "60 images in 4 shards, all as prepared." in result.output
    assert ShardSet(Storage(out)).manifest.histogram == {"rows": 20, "columns": 20, "flat": 20}
    result = cli("train", "--config", config_file, f"data.path={out}", "run.name=on-samples")
    assert result.exit_code == 0, result.output
    assert find_checkpoint(tmp_path / "runs" / "on-samples").images_seen == 64


def test_a_folder_can_be_prepared(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    assert cli("generate", small_run, "--count", 30, "--out", out).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["columns", "flat", "generated.json", "labels.csv", "rows"]
    options = ("--option", "ignore_others=true", "--shards", 2, "--processes", 1)
    result = cli("prepare", "folder", "--source", out, *options, "--out", tmp_path / "shards")
    assert result.exit_code == 0, result.output
    assert "30 images of 8x8x1 (raw)" in result.output


def test_the_same_command_again_finds_everything_there(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    arguments = ("generate", small_run, "--count", 30, "--out", tmp_path / "set")
    assert cli(*arguments).exit_code == 0
    before = files_of(tmp_path / "set")
    result = cli(*arguments)
    assert result.exit_code == 0
    assert "30 images, all there already" in result.output
    assert files_of(tmp_path / "set") == before
    (tmp_path / "set" / "flat" / "000002.png").unlink()
    result = cli(*arguments)
    assert result.exit_code == 2
    assert "1 of its files are missing or cut off: flat/000002.png" in result.output


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--labels", "colums"], "Did you mean 'columns'?"),
        (["--labels", "0", "--as-data"], "--as-data has no meaning with --labels"),
        (["--format", "npy"], "--format: unknown form of a set 'npy'. Did you mean 'npz'?"),
        (["--format", "shards", "--option", "shards=none"], "--format.args.shards: found 'none'"),
        (["--format", "shards", "--option", "shards"], "override 'shards': expected section.key=value"),
        (["--truncation", "0"], "truncation: found 0"),
        (["--truncation", "2"], "uniform in [-1, 1]"),
        (["--count", "0"], "Invalid value for '--count'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_made(
    cli: Cli, small_run: Path, tmp_path: Path, options: list[str], fragment: str
) -> None:
    result = cli("generate", small_run, "--count", 10, *options, "--out", tmp_path / "set")
    assert result.exit_code == 2
    assert fragment in result.output
    assert list(tmp_path.iterdir()) == []


def test_another_set_in_the_same_place_is_refused(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    arguments = ("generate", small_run, "--out", tmp_path / "set")
    assert cli(*arguments, "--count", 30).exit_code == 0
    result = cli(*arguments, "--count", 40)
    assert result.exit_code == 2
    assert "count: 30 there, 40 now" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(("form", "name"), [("folder", "set"), ("npz", "set.npz"), ("shards", "set")])
def test_a_killed_export_goes_on_and_ends_with_the_same_files(
    cli: Cli, small_run: Path, tmp_path: Path, form: str, name: str
) -> None:
    arguments = ["generate", str(small_run), "--format", form, "--count", "12000"]
    line = [sys.executable, "-m", "cgan_dist", *arguments, "--out", str(tmp_path / "killed" / name)]
    process = subprocess.Popen(line, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    notes = tmp_path / "killed" / f"{name}.partial" / "done"
    deadline = time.monotonic() + 900
    while len([path for path in notes.glob("0*") if not path.suffix]) < 5:
        assert time.monotonic() < deadline, "no chunk gets done"
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = {path.name: path.stat().st_mtime_ns for path in notes.iterdir() if not path.suffix}
    assert 5 <= len(done) < 47
    assert not (tmp_path / "killed" / name).exists()
    for place in ("killed", "straight"):
        result = cli(*arguments, "--out", tmp_path / place / name)
        assert result.exit_code == 0, result.output
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "straight")
