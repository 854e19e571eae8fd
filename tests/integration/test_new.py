"""A folder of pictures, a config for it, and a run, as a newcomer types them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cgan_dist.config.document import load_config
from tests.integration.conftest import Cli


@pytest.fixture
def place(pictures: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to type in, with a prepared set whose name and classes YAML would read otherwise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    shutil.move(pictures / "ant", pictures / "no: [1, {2} #3")
    result = cli("prepare", "folder", "--source", pictures, "--size", 16, "--out", "my set: #1", "--processes", 1)
    assert result.exit_code == 0, result.output
    return tmp_path


def test_from_a_folder_of_pictures_to_a_run(cli: Cli, place: Path) -> None:
    result = cli("new", "my set: #1", "--out", "my.yaml")
    assert result.exit_code == 0, result.output
    first, *commands = result.output.splitlines()
    assert first.startswith("my.yaml: dcgan of width ")
    assert [command.split() for command in commands] == [
        ["cgan-dist", name, "--config", "my.yaml"] for name in ("check", "train")
    ]
    config = load_config("my.yaml")
    assert (config.data.path, config.run.name, config.conditioning.labels.name) == ("my set: #1", "my", "classes")
    assert "'no: [1, {2} #3'" in Path("my.yaml").read_text()

    checked = cli("check", "--config", "my.yaml")
    assert checked.exit_code == 0, checked.output
    told = [line[:16].strip() for line in checked.output.splitlines()]
    assert told[:3] == ["data", "labels", "generator"]
    assert {"speed", "memory", "duration"} < set(told)
    assert checked.output.splitlines()[-1] == "All checks passed; nothing was trained."
    assert not (place / "runs").exists()

    shorter = ("train.total_images=64", "sample.interval_images=64", "checkpoint.interval_images=64")
    trained = cli("train", "--config", "my.yaml", *shorter)
    assert trained.exit_code == 0, trained.output
    assert (place / "runs" / "my" / "checkpoints" / "latest").exists()


def test_what_is_there_is_not_replaced(cli: Cli, place: Path) -> None:
    Path("my.yaml").write_text("mine")
    result = cli("new", "my set: #1", "--out", "my.yaml")
    assert result.exit_code == 2
    assert "--out my.yaml: there is such a file, and `new` replaces none" in result.output
    assert Path("my.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["nowhere", "--out", "my.yaml"], "the folder 'nowhere' does not exist"),
        (["my set: #1", "--out", "my.txt"], "--out my.txt: found '.txt'; expected"),
        (["my set: #1", "--out", "no/my.yaml"], "--out no/my.yaml: cannot write the config"),
        (["my set: #1", "--out", "my.yaml", "--for", "tpu"], "--for: found 'tpu'; expected cpu, gpu, or gpu:24"),
        (
            ["my set: #1", "--out", "my.yaml", "--for", "gpu:24", "--hours", "8"],
            "--hours: found 8 hours on a GPU of 24",
        ),
        (["my set: #1", "--out", "my.yaml", "--hours", "0"], "0.0 is not in the range x>0"),
        (["pipe:cat", "--out", "my.yaml"], "a pipe: location runs a shell command"),
    ],
)
def test_mistakes_leave_no_file(cli: Cli, place: Path, words: list[str], fragment: str) -> None:
    result = cli("new", *words)
    assert (result.exit_code, fragment in result.output) == (2, True), result.output
    assert not Path("my.yaml").exists()
