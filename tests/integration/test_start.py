"""Where a run begins: `--from`, with and without `--keep-clock`."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cgan_dist.checkpoints.store import Checkpoint, find_checkpoint
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import AttributeLabels, ClassLabels
from tests.conftest import striped_images
from tests.integration.conftest import Cli
from tests.launching import ROOT, launch

MORE = ClassLabels(names=["flat", "dots", "rows", "columns"])


@pytest.fixture
def runs(small_run: Path, tmp_path: Path) -> Path:
    """Run folders of which `test` is finished at 64 images."""
    shutil.copytree(small_run, tmp_path / "runs" / "test")
    return tmp_path / "runs"


@pytest.fixture
def more(tmp_path: Path) -> Path:
    """The same kinds of stripes in another order, and one kind more: other data, other labels."""
    images = striped_images(64, seed=1)
    numbers = np.array([MORE.names.index(name) for name in ("rows", "columns", "flat")])
    labels = np.where(np.arange(64) % 8, numbers[images.labels], 1)
    write_shards(replace(images, labels=labels, schema=MORE), tmp_path / "more", Plan(shards=4))
    return tmp_path / "more"


def said(run: Path) -> str:
    return (run / "log.txt").read_text()


def test_fine_tuning_on_other_data_and_labels(cli: Cli, runs: Path, config_file: Path, more: Path) -> None:
    new = ("train", "--config", config_file, "run.name=new", f"data.path={more}", "optim.lr=1e-5")
    assert cli(*new, "--from", runs / "test", "train.total_images=0").exit_code == 2  # nothing to train
    result = cli(*new, "--from", runs / "test", "train.total_images=16", "checkpoint.interval_images=16")
    assert result.exit_code == 0, result.output
    log = said(runs / "new")
    assert "Beginning at 0 images with the networks of" in log
    assert "Labels taken over, by name: flat, rows, columns; begun afresh: dots; left behind: none." in log
    tuned, trained = find_checkpoint(runs / "new"), find_checkpoint(runs / "test")
    assert tuned.images_seen == 16
    assert tuned.state["begun_from"] == {"run": "test", "images_seen": 64}
    (group,) = tuned.optimizer("optimizer_g_adam")["param_groups"]
    assert group["lr"] == 1e-5
    assert all(state["step"] <= 4 for state in tuned.optimizer("optimizer_g_adam")["state"].values())
    weight, before = tuned.tensors("generator")["entry.weight"], trained.tensors("generator")["entry.weight"]
    latent_dim = weight.shape[1] - 4
    moved = 4 * 1e-5 * 1.5  # by Adam, in two updates of G for each D
    torch.testing.assert_close(weight[:, :latent_dim], before[:, :latent_dim], rtol=0, atol=moved)
    for name, column in (("flat", 0), ("rows", 2), ("columns", 3)):
        there = before[:, latent_dim + ["rows", "columns", "flat"].index(name)]
        torch.testing.assert_close(weight[:, latent_dim + column], there, rtol=0, atol=moved)


def test_fine_tuning_goes_on_after_a_stop_as_if_there_had_been_none(
    cli: Cli, runs: Path, config_file: Path, more: Path
) -> None:
    new = ("train", "--config", config_file, f"data.path={more}", "--from", runs / "test")
    assert cli(*new, "run.name=stopped", "train.total_images=32").exit_code == 0
    assert cli(*new, "run.name=stopped", "train.total_images=64").exit_code == 0
    assert "--from is for the first start only" in said(runs / "stopped")
    assert cli(*new, "run.name=straight", "train.total_images=64").exit_code == 0
    stopped, straight = find_checkpoint(runs / "stopped"), find_checkpoint(runs / "straight")
    assert stopped.state["begun_from"] == straight.state["begun_from"]
    assert_same_networks(stopped, straight)


def assert_same_networks(one: Checkpoint, other: Checkpoint) -> None:
    for name in ("generator", "discriminator", "ema"):
        ours, theirs = one.tensors(name), other.tensors(name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name


def test_the_first_pictures_of_fine_tuning_are_those_of_the_other_run(cli: Cli, runs: Path, config_file: Path) -> None:
    again = ("train", "--config", config_file, "run.name=again", "--from", runs / "test", "train.total_images=8")
    assert cli(*again).exit_code == 0
    assert "Its labels are the same." in said(runs / "again")
    first = (runs / "again" / "samples" / "fixed_z-000000000000.png").read_bytes()
    assert first == (runs / "test" / "samples" / "fixed_z-000000000064.png").read_bytes()


def test_processes_take_over_the_same(runs: Path, config_file: Path, more: Path) -> None:
    launch(
        2,
        ROOT / "launch" / "train.py",
        *("--config", str(config_file), "run.name=two", f"data.path={more}", "--from", str(runs / "test")),
        *("train.total_images=16", "guard.replicas_interval_images=8"),
    )
    assert "begun afresh: dots" in said(runs / "two")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (
            ["generator.args.width=8"],
            "entry.bias is (64,) there and (128,) here. It was trained with generator.args.width=4",
        ),
        (["generator.latent_dim=4"], "It was trained with generator.latent_dim=8"),
        (["data.channels=3"], "make pictures of 8x8 pixels with 1 channel(s), data.pixels unit, and this config"),
        (["data.pixels=half"], "8x8 pixels with 1 channel(s), data.pixels half. Prepare"),
    ],
)
def test_networks_of_another_form_are_refused(
    cli: Cli, runs: Path, config_file: Path, typed: list[str], message: str
) -> None:
    result = cli("train", "--config", config_file, "run.name=new", "--from", runs / "test", *typed)
    assert result.exit_code == 2
    assert message in result.output
    corrected = cli("train", "--config", config_file, "run.name=new", "--from", runs / "test")
    assert corrected.exit_code == 0, corrected.output


def test_other_ways_begin_afresh(cli: Cli, runs: Path, config_file: Path) -> None:
    ways = "conditioning.discriminator=[channels, projection]"
    assert cli("train", "--config", config_file, "run.name=new", "--from", runs / "test", ways).exit_code == 0
    assert "begins afresh: discriminator.head.logits.projection.table.table." in said(runs / "new")


def test_keeping_the_clock(cli: Cli, runs: Path, config_file: Path) -> None:
    other = ("train", "--config", config_file, "run.name=other", "--from", runs / "test", "--keep-clock")
    finished = cli(*other)
    assert finished.exit_code == 2
    assert "train.total_images: found 64, but" in finished.output
    assert "has seen 64 images; expected more. Or leave out --keep-clock" in finished.output
    assert cli(*other, "train.total_images=96").exit_code == 0
    assert "Going on from" in said(runs / "other")
    assert find_checkpoint(runs / "other").images_seen == 96
    assert find_checkpoint(runs / "other").state["begun_from"] == {"run": "test", "images_seen": 64}
    assert find_checkpoint(runs / "test").images_seen == 64
    assert cli(*other, "train.total_images=128").exit_code == 0
    assert "at 96 images" in said(runs / "other")
    assert cli("train", "--config", config_file, "train.total_images=128").exit_code == 0
    assert_same_networks(find_checkpoint(runs / "other"), find_checkpoint(runs / "test"))


def test_keeping_the_clock_of_nothing_is_refused(cli: Cli, config_file: Path) -> None:
    result = cli("train", "--config", config_file, "--keep-clock")
    assert result.exit_code == 2
    assert "--keep-clock: found no --from" in result.output


def test_keeping_the_clock_on_other_data_is_refused_and_the_way_that_works_named(
    cli: Cli, runs: Path, config_file: Path, more: Path
) -> None:
    result = cli(
        *("train", "--config", config_file, "run.name=other", f"data.path={more}", "train.total_images=96"),
        *("--from", runs / "test", "--keep-clock"),
    )
    assert result.exit_code == 2
    assert "--from without --keep-clock" in result.output


def test_keeping_the_clock_with_tables_updated_otherwise_is_refused(cli: Cli, runs: Path, config_file: Path) -> None:
    kept = ("--from", runs / "test", "--keep-clock", "train.total_images=96")
    result = cli("train", "--config", config_file, "run.name=other", "optim.tables=rows", *kept)
    assert result.exit_code == 2
    assert "optim.tables: found rows" in result.output
    assert "was trained with auto" in result.output


def test_keeping_the_clock_with_rates_of_other_parts_is_refused(cli: Cli, runs: Path, config_file: Path) -> None:
    kept = ("--from", runs / "test", "--keep-clock", "train.total_images=96")
    result = cli("train", "--config", config_file, "run.name=other", "optim.multipliers={entry: 0.1}", *kept)
    assert result.exit_code == 2
    assert "optim.multipliers: found entry for the generator" in result.output
    assert "was trained with none" in result.output


def test_keeping_the_clock_with_other_labels_of_as_many_is_said(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    """The shapes are the same, so the weights fit; they have learned something else."""
    images = striped_images(32)
    schema = AttributeLabels(names=["hat", "smile"])
    labels = np.stack([images.labels == 0, images.labels == 1], axis=1).astype(np.uint8)
    write_shards(replace(images, labels=labels, schema=schema), tmp_path / "attributes", Plan(shards=4))
    train = ("train", "--config", config_file, f"data.path={tmp_path / 'attributes'}")
    assert cli(*train, "train.total_images=32").exit_code == 0
    kept = ("run.name=other", "train.total_images=64", "--from", tmp_path / "runs" / "test", "--keep-clock")
    swapped = "conditioning.labels={name: attributes, args: {names: [smile, hat]}}"
    for labels_are, is_said in (("conditioning.labels=attributes", False), (swapped, True)):
        shutil.rmtree(tmp_path / "runs" / "other", ignore_errors=True)
        assert cli(*train, labels_are, *kept).exit_code == 0
        text = "learned the labels attributes hat, smile; the same weights now stand for attributes smile, hat"
        assert (text in said(tmp_path / "runs" / "other")) == is_said


def test_keeping_the_clock_with_other_rates(cli: Cli, runs: Path, config_file: Path) -> None:
    arguments = ("--from", runs / "test", "--keep-clock", "run.name=slow", "optim.lr=1e-5", "optim.betas=[0.1, 0.9]")
    assert cli("train", "--config", config_file, *arguments, "train.total_images=96").exit_code == 0
    (group,) = find_checkpoint(runs / "slow").optimizer("optimizer_g_adam")["param_groups"]
    assert (group["lr"], list(group["betas"])) == (1e-5, [0.1, 0.9])


@pytest.mark.parametrize(
    "typed", [["optim.lr=1e-4"], ["train.batch_size=16"], ["data.streams=3", "train.batch_size=9"]]
)
def test_what_is_advised_where_a_run_cannot_change_works(
    cli: Cli, runs: Path, config_file: Path, typed: list[str]
) -> None:
    train = ("train", "--config", config_file, "train.total_images=128", *typed)
    refused = cli(*train)
    assert refused.exit_code == 2
    advised = [shlex.split(line)[:4] for line in refused.output.splitlines() if "run.name=test-2" in line]
    assert [words[1:3] for words in advised[:2]] == [["--from", str(runs / "test")]] * 2
    for number, words in enumerate(advised):
        options = words[:4] if number == 0 else words[:3] if number == 1 else words[:1]
        shutil.rmtree(runs / "test-2", ignore_errors=True)
        result = cli(*train, *options)
        assert result.exit_code == 0, result.output


def test_a_job_begins_with_another_run(cli: Cli, runs: Path, config_file: Path, more: Path) -> None:
    submit = ("submit", "--config", config_file, "--dry-run", f"data.path={more}", "run.name=new")
    result = cli(*submit, "--from", runs / "test")
    assert result.exit_code == 0, result.output
    (arguments,) = [line for line in result.output.splitlines() if line.startswith("set -- ")]
    assert shlex.split(arguments)[3:] == ["--from", str(runs / "test")]
    assert cli("run-folder", "--config", config_file, "--from", runs / "test").exit_code == 0
    refused = cli(*submit, "--from", runs / "test", "generator.args.width=8")
    assert refused.exit_code == 2
    assert "It was trained with generator.args.width=4" in refused.output
