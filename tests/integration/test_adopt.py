"""Shards that webdataset wrote, trained on as they are or packed: what a user types, from the tars to the scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cgan_dist.checkpoints.store import find_checkpoint
from tests.integration.conftest import Cli
from tests.launching import ROOT, launch
from tests.unit.data.damage import open_set
from tests.unit.data.tar_files import picture, sorted_samples, write_shards

TRAIN = ROOT / "launch" / "train.py"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "mine", sorted_samples(90))


@pytest.fixture
def config(config_file: Path, mine: Path) -> tuple[object, ...]:
    return ("--config", config_file, f"data.path={mine}")


def test_adopted_shards_are_checked_trained_on_and_scored(
    cli: Cli, mine: Path, config: tuple[object, ...], tmp_path: Path
) -> None:
    result = cli("check", *config)
    assert result.exit_code == 2
    assert f"cgan-dist adopt '{mine}'" in result.output
    tars = {path: path.read_bytes() for path in mine.iterdir()}
    result = cli("adopt", mine, "--option", "class_names=[red,green,blue]")
    assert result.exit_code == 0, result.output
    assert "90 images of 12x12x3 (jpeg) in 8 shards of 9 adopted tars" in result.output
    assert "green                           30 " in result.output
    assert (mine / "contact-sheet.png").exists()
    for command in (("inspect", mine), ("verify", mine), ("check", *config), ("train", *config)):
        result = cli(*command)
        assert result.exit_code == 0, result.output
    run = tmp_path / "runs" / "test"
    result = cli(
        "evaluate", run, "--metrics", "label_accuracy,kid,precision", "--features", "classifier", "--count", 60
    )
    assert result.exit_code == 0, result.output
    assert {path: path.read_bytes() for path in tars} == tars


def test_going_on_equals_never_having_stopped_on_any_number_of_processes(
    cli: Cli, mine: Path, config: tuple[object, ...], tmp_path: Path
) -> None:
    assert cli("adopt", mine).exit_code == 0
    for total in (64, 128):
        assert cli("train", *config, f"train.total_images={total}").exit_code == 0
    more = ("train.total_images=128", "run.name=straight", "data.cache=none", "data.workers=2")
    launch(1, TRAIN, *map(str, config), *more)
    resumed, straight = (find_checkpoint(tmp_path / "runs" / name) for name in ("test", "straight"))
    for name in ("generator", "discriminator", "ema"):
        ours, theirs = resumed.tensors(name), straight.tensors(name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name
    for name in ("optimizer_g_adam", "optimizer_d_adam"):
        torch.testing.assert_close(resumed.optimizer(name), straight.optimizer(name), rtol=0, atol=0)


def test_a_folder_of_links_beside_a_config(cli: Cli, mine: Path, config: tuple[object, ...], tmp_path: Path) -> None:
    out = tmp_path / "home"
    result = cli("adopt", f"{mine}/mine-{{000002..000004}}.tar", "--out", out, "--shards", 4)
    assert result.exit_code == 0, result.output
    assert [path.name for path in mine.iterdir() if not path.name.endswith(".tar")] == []
    assert sorted(path.name for path in out.iterdir() if path.is_symlink()) == [f"tar-0000{n}.tar" for n in range(3)]
    assert json.loads((out / "manifest.json").read_text())["histogram"] == {"0": 10, "1": 20}
    result = cli("train", *config[:2], f"data.path={out}")
    assert result.exit_code == 0, result.output


def test_shards_of_several_sizes_are_packed(cli: Cli, tmp_path: Path) -> None:
    sizes = [(12, 12), (20, 10), (9, 30), (12, 12)]
    samples = [{"jpg": picture(seed, size=sizes[seed % 4]), "cls": seed % 3} for seed in range(30)]
    samples[7]["jpg"] = samples[7]["jpg"][:100]
    folder = write_shards(tmp_path / "mine", samples)
    result = cli("adopt", folder)
    assert result.exit_code == 2
    assert f"cgan-dist prepare webdataset --source '{folder}' --size 64 --out FOLDER" in result.output
    prepare = ("prepare", "webdataset", "--source", folder, "--size", 8, "--out", tmp_path / "out", "--processes", 1)
    result = cli(*prepare)
    assert result.exit_code == 2
    assert "1 of 30 images cannot be read" in result.output
    assert "mine-000000.tar, 000007.jpg" in result.output
    result = cli(*prepare, "--on-error", "skip")
    assert result.exit_code == 0, result.output
    assert "29 images of 8x8x3 (raw) in 8 shards" in result.output
    images, labels = open_set(tmp_path / "out").load_all()
    assert np.array_equal(images.mean((1, 2)).argmax(1), labels)


def test_only_tars_come_from_urls(cli: Cli, tmp_path: Path) -> None:
    result = cli("prepare", "folder", "--source", "https://x/y", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "https://x/y: a URL, which folder does not read, but only webdataset" in result.output
    result = cli("adopt", "https://x/y-{0..3}.tar")
    assert result.exit_code == 2
    assert "https://x/y-{0..3}.tar: a URL; fetch the tars first" in result.output
