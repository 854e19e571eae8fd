"""Bad input: a clear error, exit code 2, before any process group starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cgan_dist.cli import main
from cgan_dist.data.writer import Plan, write_shards
from tests.conftest import striped_images
from tests.launching import command, run
from tests.unit.data.damage import npy, rewrite

Damage = Callable[[Path], None]
WIDE = "{name: r3, args: {width: 1_000_000, max_width: 1_000_000}}"
"""Terabytes, from a line."""


@pytest.fixture
def folder(shards_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(shards_folder, copy)
    return copy


@pytest.fixture(autouse=True)
def _no_process_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object) -> None:
        pytest.fail("the Accelerator was built before the input was checked")

    monkeypatch.setattr("cgan_dist.assembly.trainer.build_accelerator", touched)
    monkeypatch.setattr("cgan_dist.assembly.dry_run.build_accelerator", touched)


def error_of(*args: object) -> str:
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize("subcommand", ["train", "check"])
@pytest.mark.parametrize(
    ("overrides", "fragments"),
    [
        (["train.batchsize=8"], ["train.batchsize: unknown key", "batch_size"]),
        (["optim.lr=fast"], ["optim.lr: found 'fast'", "number"]),
        (
            ["train.batch_size=8e17"],
            ["train.batch_size: found 800,000,000,000,000,000 images, expected at most"],
        ),
        (["data.workers=1_000_000"], ["data.workers: found 1,000,000 processes, expected at most 1,024"]),
        (["data.streams=1e9"], ["data.streams: found 1,000,000,000 streams, expected at most"]),
        (["generator.latent_dim=1e12"], ["generator.latent_dim: found 1,000,000,000,000 channels"]),
        (["generator.args.width=1_000_000_000_000"], ["generator.args.width: 1,000,000,000,000 channels"]),
        (
            [f"generator={WIDE}"],
            ["generator and discriminator: ", "GB of memory of this machine"],
        ),
        (
            [f"discriminator={WIDE}"],
            ["generator and discriminator: ", "GB of memory of this machine"],
        ),
        (["generator={name: r3, args: {blocks: 1_000_000}}"], ["generator.args.blocks: 1,000,000 blocks"]),
        (["sample.per_class=60_000"], ["sample: per_class times max_classes is 960,000 pictures, expected at most"]),
        (["guard.stuck_minutes=1e300"], ["guard.stuck_minutes: found 1e+300 minutes"]),
        (["train.max_hours=1e300"], ["train.max_hours: found 1e+300 hours"]),
        (["train.total_images=1e300"], ["train.total_images: found 1,0"]),
        (["train.batch_size=10"], ["train.batch_size (10) must be a multiple of data.streams (4)"]),
        (["train.micro_batch=5"], ["train.micro_batch: 5 does not divide"]),
        (["data.channels=2"], ["data.channels: found 2", "1 or 3"]),
        (["evaluate.metrics=[label_acuracy]"], ["evaluate.metrics", "Did you mean 'label_accuracy'?"]),
        (["data.path=pipe:cat"], ["data.path: a pipe: location runs a shell command", "data.allow_pipe=true"]),
        (["data.augment=[flip, color, flip]"], ["data.augment.2: 'flip' is there twice"]),
        (["data.augment=[flop]"], ["data.augment.0: unknown augmentation 'flop'. Did you mean 'flip'?"]),
        (["data.augment=adda"], ["data.augment.0: unknown augmentation 'adda'. Did you mean 'ada'?"]),
        (["data.augment={name: ada, args: {targ: 1}}"], ["data.augment.0.args.targ", "Did you mean 'target'?"]),
        (
            ["data.augment=ada", "data.augment_probability=0.5"],
            ["data.augment_probability: found 0.5", "finds the probability by itself", "Leave it out"],
        ),
        (["loss.bcr_augment=[flip, ada]"], ["loss.bcr_augment: found flip, ada", "expected those that come always"]),
        (["data.path=nowhere"], ["data.path: the folder 'nowhere' does not exist", "cgan-dist prepare"]),
        (["generator.name=dcgam"], ["generator: unknown generator 'dcgam'", "Did you mean 'dcgan'?"]),
        (["generator.args.widht=3"], ["generator.args.widht: unknown argument", "Did you mean 'width'?"]),
        (["generator.args.width=big"], ["generator.args.width: found 'big'"]),
        (["generator.args.stages=9"], ["generator.args.stages: found 9 halvings of a 8x8 image"]),
        (["discriminator.args.norm=layer"], ["discriminator.args.norm: found 'layer'", "'batch' or 'none'"]),
        (["conditioning.labels=clases"], ["conditioning.labels", "Did you mean 'classes'?"]),
        (
            ["conditioning.generator=[]"],
            ["conditioning.generator: found []", "at least one of concat, embedding, film"],
        ),
        (
            ["conditioning={labels: none, generator: [concat]}"],
            ["conditioning.generator: found ['concat']", "no label"],
        ),
        (["conditioning.generator=[film, film]"], ["conditioning.generator", "expected each way once"]),
        (
            ["conditioning.generator=[{name: film, args: {dim: big}}]"],
            ["conditioning.generator.0.args.dim: found 'big'"],
        ),
        (
            ["conditioning.generator=[{name: embedding, args: {dim: 0}}]"],
            ["conditioning.generator.0.args.dim: found 0", "expects greater than 0"],
        ),
        (
            ["conditioning.discriminator=[{name: d2d_ce, args: {temperature: 0}}]"],
            ["conditioning.discriminator.0.args.temperature: found 0"],
        ),
        (
            ["conditioning.discriminator=[{name: auxiliary, args: {weight: -1}}]"],
            ["conditioning.discriminator.0.args.weight: found -1"],
        ),
        (
            [
                "conditioning.discriminator=[channels, 'cgan_dist:DiscriminatorWay', "
                "'cgan_dist.conditioning.discriminator.base:DiscriminatorWay']"
            ],
            ["conditioning.discriminator.2", "is a second way named 'DiscriminatorWay'"],
        ),
        (["conditioning.labels={name: attributes}"], ["conditioning.labels", "attributes"]),
        (["conditioning.discriminator=[chanels]"], ["conditioning.discriminator.0", "Did you mean 'channels'?"]),
        (["loss.adversarial=hing"], ["loss.adversarial: unknown adversarial loss 'hing'"]),
        (["loss.penalties.r3=1"], ["loss.penalties.r3: unknown penalty"]),
        (["train.precision=fp16"], ["train.precision: fp16 needs a GPU"]),
        (["nonsense"], ["override 'nonsense': expected section.key=value"]),
    ],
)
def test_config_errors(config_file: Path, subcommand: str, overrides: list[str], fragments: list[str]) -> None:
    output = error_of(subcommand, "--config", config_file, *overrides)
    for fragment in fragments:
        assert fragment in output


def test_a_config_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"run: {name: x}\ndata: {path: a\0b}\n")
    assert f"{path}, line 2: found the character 0x0000" in error_of("train", "--config", path)


def without_a_shard(folder: Path) -> None:
    (folder / "shard-00002.tar").unlink()


def truncated(folder: Path) -> None:
    path = folder / "shard-00002.tar"
    path.write_bytes(path.read_bytes()[:-1024])


def with_a_label_outside(folder: Path) -> None:
    def change(members: dict[str, bytes]) -> dict[str, bytes]:
        return {name: npy(np.full(41, 3)) if name.endswith("labels.npy") else c for name, c in members.items()}

    rewrite(folder, change, "shard-00002.tar")


def without_a_member(folder: Path) -> None:
    rewrite(folder, lambda m: {k: v for k, v in m.items() if "images" in k}, "shard-00002.tar")


def with_another_shard_in_its_place(folder: Path) -> None:
    shutil.copy(folder / "shard-00001.tar", folder / "shard-00002.tar")


@pytest.mark.parametrize(
    ("damage", "fragment"),
    [
        (without_a_shard, "shard-00002.tar: the manifest lists this shard, but it is missing"),
        (truncated, "shard-00002.tar: "),
        (with_a_label_outside, "label 3; expected 0..2"),
        (without_a_member, "the member labels.npy is missing"),
        (with_another_shard_in_its_place, "sha256"),
    ],
)
@pytest.mark.parametrize("subcommand", ["train", "check"])
def test_damaged_data(config_file: Path, folder: Path, subcommand: str, damage: Damage, fragment: str) -> None:
    damage(folder)
    output = error_of(subcommand, "--config", config_file, f"data.path={folder}")
    assert fragment in output
    assert "shard-00002.tar" in output


def test_channels_that_contradict_the_data(config_file: Path, tmp_path: Path) -> None:
    write_shards(striped_images(8, channels=3), tmp_path / "colour", Plan(shards=1))
    output = error_of("train", "--config", config_file, f"data.path={tmp_path / 'colour'}", "data.channels=1")
    assert "data.channels: found 1, but the images" in output
    assert "have 3 channels" in output


def test_a_run_folder_of_a_different_config(config_file: Path, tmp_path: Path) -> None:
    run_folder = tmp_path / "runs" / "test"
    run_folder.mkdir(parents=True)
    from cgan_dist.config.document import load_config

    (run_folder / "config.yaml").write_text(load_config(config_file, ["optim.lr=1e-3"]).to_yaml())
    output = error_of("train", "--config", config_file)
    assert "belongs to a different config" in output
    assert "optim.lr: 0.001 there, 0.0002 now" in output


def test_a_truncated_idx_file(tmp_path: Path) -> None:
    source = tmp_path / "idx"
    source.mkdir()
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (10, 28, 28))
    (source / "train-images-idx3-ubyte").write_bytes(header + bytes(5000))
    (source / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + (10).to_bytes(4, "big") + bytes(10))
    output = error_of("prepare", "mnist", "--source", source, "--out", tmp_path / "out")
    assert "train-images-idx3-ubyte: truncated or damaged" in output
    assert "7,840 bytes, the file holds 5,000" in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "fragment"),
    [
        (["prepare", "mnist6k", "--out", "x"], "unknown data source 'mnist6k'. Did you mean 'mnist5k'?"),
        (["prepare", "mnist5k", "--out", "x", "--source", "y"], "leave --source out"),
        (["prepare", "mnist", "--source", "nowhere", "--out", "x"], "is missing"),
        (["sample", "nowhere", "--out", "x.png"], "no such folder"),
        (["evaluate", "nowhere"], "no such folder"),
    ],
)
def test_other_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], fragment: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert fragment in error_of(*args)
    assert list(tmp_path.iterdir()) == []


def test_the_message_appears_once_under_a_launcher(config_file: Path) -> None:
    """Also where seconds pass before the launcher notices that rank 0 has gone, and ends the others."""
    script = Path(__file__).with_name("slow_exit_script.py")
    done = run(command(2, script, "--config", str(config_file), "train.batchsize=8"))
    assert done.returncode != 0
    assert done.stderr.count("train.batchsize: unknown key") == 1
