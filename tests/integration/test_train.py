"""What a run leaves, and what the other commands make of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cgan_dist.checkpoints.store import find_checkpoint
from cgan_dist.config.document import load_config
from cgan_dist.data.source import Source
from cgan_dist.data.writer import Plan, write_shards
from tests.integration.conftest import Cli
from tests.launching import ROOT, launch


@pytest.fixture
def trained(cli: Cli, config_file: Path, tmp_path: Path) -> Path:
    result = cli("train", "--config", config_file)
    assert result.exit_code == 0, result.output
    return tmp_path / "runs" / "test"


def test_a_run_leaves_everything_it_should(trained: Path, config_file: Path) -> None:
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [16, 32, 48, 64]
    assert [next(iter(line)) for line in lines] == ["images"] * 4
    assert {"loss/d", "loss/d_real", "loss/d_fake", "loss/g", "perf/images_per_second", "perf/data_wait"} <= set(
        lines[0]
    )
    assert load_config(trained / "config.yaml") == load_config(config_file)
    assert "images 64" in (trained / "log.txt").read_text()
    assert sorted(path.name for path in (trained / "samples").iterdir()) == [
        f"{name}-{images:012d}.png" for name in ("fixed_z", "random_z", "real") for images in (0, 32, 64)
    ]
    assert (trained / "checkpoints" / "latest").read_text() == "step-000000000064"
    assert find_checkpoint(trained).images_seen == 64


def test_the_same_command_on_a_finished_run_changes_nothing(cli: Cli, trained: Path, config_file: Path) -> None:
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file() and path.name != "log.txt"}
    assert cli("train", "--config", config_file).exit_code == 0
    assert {path: path.read_bytes() for path in before} == before


def test_going_on_equals_never_having_stopped(cli: Cli, trained: Path, config_file: Path, tmp_path: Path) -> None:
    assert cli("train", "--config", config_file, "train.total_images=128").exit_code == 0
    assert cli("train", "--config", config_file, "train.total_images=128", "run.name=straight").exit_code == 0
    resumed, straight = find_checkpoint(trained), find_checkpoint(tmp_path / "runs" / "straight")
    for name in ("generator", "discriminator", "ema"):
        ours, theirs = resumed.tensors(name), straight.tensors(name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name
    for name in ("optimizer_g_adam", "optimizer_d_adam"):
        torch.testing.assert_close(resumed.optimizer(name), straight.optimizer(name), rtol=0, atol=0)


def test_data_that_changed_under_a_run_is_refused(
    cli: Cli, trained: Path, config_file: Path, tmp_path: Path, stripes: Source
) -> None:
    write_shards(stripes, tmp_path / "other-data", Plan(shards=5, seed=1))
    result = cli("train", "--config", config_file, f"data.path={tmp_path / 'other-data'}", "train.total_images=128")
    assert result.exit_code == 2
    assert "was trained on other data" in result.output


def test_sampling_a_grid_by_name(cli: Cli, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    result = cli(
        "sample", trained, "--labels", "columns,0", "--per-label", 3, "--z", "fixed", "--seed", 5, "--out", out
    )
    assert result.exit_code == 0, result.output
    first = np.asarray(Image.open(out))
    cli("sample", trained, "--labels", "1,rows", "--per-label", 3, "--z", "fixed", "--seed", 5, "--out", out)
    assert (np.asarray(Image.open(out)) == first).all()
    cli("sample", trained, "--labels", "1,0", "--per-label", 3, "--z", "fixed", "--seed", 6, "--out", out)
    assert (np.asarray(Image.open(out)) != first).any()


@pytest.mark.parametrize(
    ("args", "fragment"),
    [
        (["--labels", "3"], "label 3 is outside 0..2"),
        (["--labels", "colums"], "Did you mean 'columns'?"),
        (["--labels", ","], "expected class numbers or names"),
    ],
)
def test_sampling_labels_that_do_not_exist(
    cli: Cli, trained: Path, tmp_path: Path, args: list[str], fragment: str
) -> None:
    result = cli("sample", trained, *args, "--out", tmp_path / "x.png")
    assert result.exit_code == 2
    assert fragment in result.output
    assert not (tmp_path / "x.png").exists()


def test_sampling_needs_no_shards(cli: Cli, trained: Path, config_file: Path, tmp_path: Path) -> None:
    config = config_file.read_text()
    moved = tmp_path / "elsewhere"
    trained.rename(moved)
    assert "data:" in config
    assert cli("sample", moved, "--out", tmp_path / "x.png").exit_code == 0


def test_metrics_during_training(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    result = cli(
        "train", "--config", config_file, "evaluate={interval_images: 32, metrics: [label_accuracy], count: 30}"
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "runs" / "test" / "metrics.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [16, 32, 48, 64]
    assert [line["images"] for line in lines if "eval/label_accuracy" in line] == [32, 64]


def test_one_w_and_b_run_offline_across_a_resume(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "test"
    arguments = ("train", "--config", config_file, "--tracker", "wandb", "tracking.histograms_interval_images=32")
    assert cli(*arguments).exit_code == 0
    run_id = (folder / "wandb_id").read_text()
    assert cli(*arguments, "train.total_images=128").exit_code == 0
    assert (folder / "wandb_id").read_text() == run_id
    recorded = [path.name for path in (folder / "wandb").glob("offline-run-*")]
    assert len(recorded) == 2
    assert all(name.endswith(run_id) for name in recorded)


def test_tensorboard_instead_of_the_configs_trackers(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    assert cli("train", "--config", config_file, "--tracker", "tensorboard").exit_code == 0
    assert list((tmp_path / "runs" / "test" / "tensorboard").iterdir())
    assert not (tmp_path / "runs" / "test" / "wandb").exists()


def test_divergence_stops_with_a_diagnosis(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    result = cli(
        "train",
        "--config",
        config_file,
        "optim.lr=1e30",
        "train.total_images=640",
        "generator.args.norm=none",
        "discriminator.args.norm=none",
    )
    assert result.exit_code == 2
    assert "Training diverged" in result.output
    assert "updates of the" in result.output
    assert "There is no checkpoint to go back to" in result.output


def test_diverged_weights_are_never_saved(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    """Nothing is logged before the checkpoints are due, so only the check before saving can notice."""
    options = (
        "optim.lr=1e30",
        "train.total_images=640",
        "tracking.interval_images=640",
        "checkpoint.interval_images=8",
        "generator.args.norm=none",
        "discriminator.args.norm=none",
    )
    result = cli("train", "--config", config_file, *options)
    assert result.exit_code == 2
    assert "Training diverged" in result.output
    for folder in (tmp_path / "runs" / "test" / "checkpoints").glob("step-*"):
        checkpoint = find_checkpoint(folder)
        assert all(torch.isfinite(v).all() for net in ("generator", "ema") for v in checkpoint.tensors(net).values())


ADA = "{name: ada, args: {pipeline: bgcfnc, target: 0, adaptation_images: 200, interval_images: 24}}"


@pytest.mark.parametrize(
    "drawn",
    [
        ["data.augment=[flip, translation, cutout, color]"],
        [f"data.augment={ADA}"],
        [
            f"data.augment=[flip, {ADA}]",
            "loss.penalties={bcr_real: 1, bcr_fake: 1, zcr_d: 1, zcr_g: 1}",
            "loss.top_k={start: 1, end: 0.3, end_images: 96}",
            "train.micro_batch=4",
        ],
    ],
    ids=["augmentation", "adaptive augmentation", "all, twins and the best of a batch"],
)
def test_what_is_drawn_for_d_resumes_exactly(cli: Cli, config_file: Path, tmp_path: Path, drawn: list[str]) -> None:
    assert cli("train", "--config", config_file, *drawn, "run.name=parts").exit_code == 0
    assert cli("train", "--config", config_file, *drawn, "run.name=parts", "train.total_images=96").exit_code == 0
    assert cli("train", "--config", config_file, *drawn, "run.name=whole", "train.total_images=96").exit_code == 0
    parts, whole = (find_checkpoint(tmp_path / "runs" / name) for name in ("parts", "whole"))
    for file in ("generator", "discriminator", "ema", "objective"):
        ours, theirs = parts.tensors(file), whole.tensors(file)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    if ADA in drawn[0]:
        p, total, images = whole.tensors("objective")["adaptation"].tolist()
        assert 0 < p < 0.8
        assert (total, images) == (0, 0)
        halfway = find_checkpoint(tmp_path / "runs" / "whole" / "checkpoints" / "step-000000000064")
        assert halfway.tensors("objective")["adaptation"][2] == 16


def test_balanced_training_resumes_exactly_and_says_what_it_sees(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    balanced = ("train", "--config", config_file, "data.balance={rows: 5}")
    assert cli(*balanced).exit_code == 0
    assert cli(*balanced, "train.total_images=128").exit_code == 0
    assert cli(*balanced, "train.total_images=128", "run.name=straight").exit_code == 0
    resumed, straight = (find_checkpoint(tmp_path / "runs" / name) for name in ("test", "straight"))
    ours, theirs = resumed.tensors("discriminator"), straight.tensors("discriminator")
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert (
        "Classes are seen as rows 66.0 % (of the data 28.1 %), columns"
        in (tmp_path / "runs" / "test" / "log.txt").read_text()
    )
    other = cli("train", "--config", config_file, "data.balance={rows: 6}")
    assert other.exit_code == 2
    assert "data.balance.rows: 5.0 there, 6.0 now" in other.output
    none = cli("train", "--config", config_file)
    assert none.exit_code == 2
    assert "data.balance: None there, 'none' now" in none.output


def test_balance_changes_what_is_seen_and_not_what_as_data_asks_for(
    cli: Cli, config_file: Path, tmp_path: Path
) -> None:
    for name, balance in (("plain", "none"), ("even", "{rows: 5}")):
        assert cli("train", "--config", config_file, f"run.name={name}", f"data.balance={balance}").exit_code == 0
    plain, even = (find_checkpoint(tmp_path / "runs" / name) for name in ("plain", "even"))
    assert not torch.equal(plain.tensors("generator")["entry.bias"], even.tensors("generator")["entry.bias"])
    for name in ("rows", "counts"):
        assert torch.equal(plain.tensors("labels")[name], even.tensors("labels")[name])


@pytest.mark.long
def test_compiled_networks_train(config_file: Path, tmp_path: Path) -> None:
    """In a process of its own: torch.compile provokes warnings of torch's own, which are errors here."""
    penalty = ("loss.penalties.r1=0.1", "loss.lazy_updates=2", "discriminator.args.norm=none")
    options = ("train.compile=true", "train.total_images=16", "optim.tables=rows", *penalty)
    launch(1, ROOT / "launch" / "train.py", "--config", str(config_file), *options)
    names = find_checkpoint(tmp_path / "runs" / "test").tensors("generator")
    assert "entry.weight" in names  # the state dict is that of the plain network


@pytest.mark.parametrize("precision", ["bf16"])
def test_mixed_precision_trains(cli: Cli, config_file: Path, tmp_path: Path, precision: str) -> None:
    result = cli(
        "train",
        "--config",
        config_file,
        f"train.precision={precision}",
        "loss.penalties={r1: 0.1, r2: 0.1}",
        "discriminator.args.norm=none",
        "train.total_images=32",
    )
    assert result.exit_code == 0, result.output
    weights = find_checkpoint(tmp_path / "runs" / "test").tensors("generator")
    assert all(torch.isfinite(value).all() for value in weights.values())
