"""Runs, checkpoints and model folders of strangers: nothing of theirs is run or opened that nobody has allowed."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cgan_dist import Generator, UserError, find_checkpoint, load_sampler
from cgan_dist.config import plugin_path
from cgan_dist.playground.subject import open_subject
from tests.integration.conftest import Cli
from tests.strangers import plant, stranger_of

BUILT = {
    "conditioning.labels": "payload:go",
    "conditioning.generator.0": "stranger.payload:Go",
    "generator.name": "subprocess:Popen",
}
"""What the commands that draw build of a config."""
NOT_BUILT: dict[str, Any] = {
    "conditioning.discriminator": [{"name": "payload:Go", "args": {"a": 1}}],
    "discriminator.name": "payload:Go",
    "loss.adversarial": "payload:Go",
    "data.augment": ["payload:Go"],
    "evaluate.metrics": [{"name": "fid", "args": {"features": "payload:Go"}}, "payload:Go@payload:Go"],
    "tracking.trackers": ["payload:Go"],
}
COMMANDS = {
    "sample": ("--out", "out.png"),
    "walk": ("--out", "out.png"),
    "slide": ("--out", "out.png"),
    "neighbours": ("--out", "out.png"),
    "generate": ("--count", 4, "--out", "set"),
    "export": ("--out", "model"),
    "evaluate": ("--count", 40, "--metrics", "diversity@classifier"),
    "demo": ("--port", 7999),
}


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """Made by whatever code of the stranger's runs."""
    yield tmp_path / "ran"
    assert not (tmp_path / "ran").exists()
    assert not {"payload", "stranger", "stranger.payload"} & sys.modules.keys()


def changing(values: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Sets values of a config by their key paths; a number at the end is a place in a new list."""

    def change(config: dict[str, Any]) -> None:
        for path, value in values.items():
            section, _, key = path.removesuffix(".0").rpartition(".")
            at = config
            for name in section.split("."):
                at = at[name]
            at[key] = [value] if path.endswith(".0") else value

    return change


@pytest.fixture
def strangers_run(small_run: Path, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It names code in every place that the commands build, and that code lies in it and where one stands."""
    run = stranger_of(small_run, tmp_path / "stranger", changing(BUILT | NOT_BUILT))
    plant(run, marker)
    plant(tmp_path, marker)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_code_of_a_strangers_run_is_named_and_not_imported(command: str, cli: Cli, strangers_run: Path) -> None:
    for run in (strangers_run, strangers_run / "checkpoints" / "latest"):
        result = cli(command, run, *COMMANDS[command])
        assert result.exit_code == 2, result.output
        assert "code that is no part of cgan_dist, and it is not known as your own:" in result.output
        for where, name in BUILT.items():
            assert f"  {where}: '{name}'\n" in result.output
        assert "loss.adversarial" not in result.output
        assert "--trust-code" in result.output


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_code_that_a_command_does_not_build_is_no_hindrance(
    command: str, cli: Cli, small_run: Path, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stranger_of(small_run, tmp_path / "stranger", changing(NOT_BUILT))
    plant(tmp_path, marker)
    monkeypatch.chdir(tmp_path)
    result = cli(command, run, *COMMANDS[command])
    assert result.exit_code == 0, result.output
    subject = open_subject(run, torch.device("cpu"))
    assert subject.studio is not None


def test_python_refuses_it_too(strangers_run: Path) -> None:
    for refused in (
        lambda: load_sampler(find_checkpoint(strangers_run), 0, torch.device("cpu")),
        lambda: open_subject(strangers_run, torch.device("cpu")),
    ):
        with pytest.raises(UserError, match=r"generator.name: 'subprocess:Popen'\nCode can do"):
            refused()


@pytest.mark.parametrize("clock", [[], ["--keep-clock"]])
def test_training_does_not_import_what_the_run_before_names(
    clock: list[str], cli: Cli, config_file: Path, strangers_run: Path
) -> None:
    begin = ("--config", config_file, "--from", strangers_run, *clock, "train.total_images=96")
    for command in (("train",), ("submit", "--dry-run")):
        result = cli(*command, *begin)
        assert result.exit_code == 2, result.output
        assert "conditioning.labels: 'payload:go'" in result.output
    assert "--trust-code: found no --from" in cli("train", "--config", config_file, "--trust-code").output


def test_a_run_goes_on_with_the_code_of_its_typed_config_alone(cli: Cli, config_file: Path, marker: Path) -> None:
    assert cli("train", "--config", config_file, "train.total_images=32").exit_code == 0
    run = config_file.parent / "runs" / "test"
    forged = stranger_of(run, run.with_name("forged"), changing({"conditioning.labels": "payload:go"}))
    plant(forged, marker)
    shutil.rmtree(run / "checkpoints")
    (forged / "checkpoints").rename(run / "checkpoints")
    result = cli("train", "--config", config_file)
    assert result.exit_code == 2, result.output
    assert "conditioning.labels: 'payload:go'" in result.output


@pytest.mark.parametrize("name", ["subprocess:Popen", "os:system", "builtins:eval", "payload_of_mine:go"])
def test_a_metric_that_is_none_is_not_called(
    name: str, cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = tmp_path / "called"
    (tmp_path / "payload_of_mine.py").write_text(f"def go(**args):\n    open({str(called)!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    args = json.dumps({"args": f"touch {called}", "shell": True})
    metric = f"evaluate.metrics=[{{name: '{name}', args: {args}}}]"
    for command in ("check", "run-folder", "submit --dry-run", "train"):
        result = cli(*command.split(), "--config", config_file, metric)
        assert (result.exit_code, "is no metric; expected a subclass of cgan_dist.Metric" in result.output) == (2, True)
    monkeypatch.delitem(sys.modules, "payload_of_mine", raising=False)
    assert not called.exists()


@pytest.mark.parametrize(
    "location",
    [
        "pipe:touch {marker}; cat {data}/%s",
        "file://{data}",
        "http://127.0.0.1:9/data",
        "HTTP://127.0.0.1:9/data",
        "s3://bucket/data",
        "simplecache::file://{data}",
        "zip://x::file://{data}/x.zip",
        "//server/share",
    ],
)
def test_addresses_of_a_strangers_run_are_not_opened(
    location: str,
    cli: Cli,
    small_run: Path,
    shards_folder: Path,
    tmp_path: Path,
    marker: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where files of typed addresses are kept
    data = location.format(marker=marker, data=shards_folder)
    kept = tmp_path / "kept"
    run = stranger_of(
        small_run,
        tmp_path / "stranger",
        changing({"data.path": data, "data.allow_pipe": True, "data.cache_dir": str(kept)}),
    )
    for command in (("evaluate", run, "--count", 8), ("neighbours", run, "--out", tmp_path / "out.png")):
        result = cli(*command)
        assert (result.exit_code, f"data.path: its config names {data!r}" in result.output) == (2, True), result.output
        assert "Say with --data" in result.output
        result = cli(*command, "--data", f"file://{shards_folder}")
        assert result.exit_code == 0, result.output
    assert not kept.exists()


def test_weights_that_a_strangers_run_names_are_not_opened(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    run = stranger_of(small_run, tmp_path / "run", changing({"evaluate.inception_weights": "/dev/zero"}))
    result = cli("evaluate", run, "--metrics", "fid")
    assert result.exit_code == 2
    assert "evaluate.inception_weights: its config names '/dev/zero'" in result.output
    assert "Say with --inception-weights" in result.output


def test_a_model_folder_without_its_config_is_no_checkpoint(
    small_run: Path, tmp_path: Path, strangers_run: Path
) -> None:
    for name in ("model.safetensors", "model.onnx", "model.pt2"):
        folder = shutil.copytree(strangers_run, tmp_path / f"with {name}")
        (folder / name).touch()
        with pytest.raises(UserError, match="no config.json in it; expected a model folder"):
            open_subject(folder, torch.device("cpu"))


@pytest.fixture
def own_run(cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run of this user's with a plug-in that lies in the folder that it was started in."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "my_ways.py").write_text("from cgan_dist.conditioning.generator.concat import Concat as Mine\n")
    monkeypatch.chdir(home)
    forget(monkeypatch)  # other tests have modules of that name
    result = cli("train", "--config", config_file, "conditioning.generator=['my_ways:Mine']")
    assert result.exit_code == 0, result.output
    forget(monkeypatch)
    yield config_file.parent / "runs" / "test"
    sys.modules.pop("my_ways", None)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    sys.modules.pop("my_ways", None)
    monkeypatch.setattr(plugin_path, "_let_in", [])
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(Path.cwd())])


def test_a_run_of_ones_own_goes_on_without_a_word(
    cli: Cli, own_run: Path, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "downloaded"
    elsewhere.mkdir()
    plant(elsewhere, marker, "my_ways")  # the very name, where one stands
    monkeypatch.chdir(elsewhere)
    moved = own_run.rename(elsewhere / "renamed")
    for command in ("sample", "export", "evaluate"):
        result = cli(command, moved, *COMMANDS[command])
        assert result.exit_code == 0, result.output
    forget(monkeypatch)
    assert Generator.from_pretrained(elsewhere / "model").space is not None
    assert sys.modules["my_ways"].__file__ == str(tmp_path / "home" / "my_ways.py")


def test_what_is_changed_is_not_ones_own(
    cli: Cli, own_run: Path, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, marker)
    for number, change in enumerate(
        (
            {"conditioning.generator": ["my_ways:Mine", "payload:Go"]},
            {"conditioning.generator": [{"name": "my_ways:Mine", "args": {"literal": True}}]},
            {"conditioning.generator": ["payload:Go"]},
            {"run.seed": 7},
            {"data.path": "pipe:true"},
        )
    ):
        result = cli("sample", stranger_of(own_run, tmp_path / str(number), changing(change)), *COMMANDS["sample"])
        assert (result.exit_code, "not known as your own" in result.output) == (2, True), result.output
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    assert cli("sample", own_run, *COMMANDS["sample"]).exit_code == 2
    result = cli("sample", own_run, *COMMANDS["sample"], "--trust-code")  # from the folder where it lies
    assert result.exit_code == 0, result.output


def test_addresses_of_ones_own_run_and_typed_ones_are_opened(
    cli: Cli, config_file: Path, shards_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where files of typed addresses are kept
    kept = f"data.cache_dir={tmp_path / 'kept'}"
    typed = f"pipe:cat {shards_folder}/%s"
    result = cli("train", "--config", config_file, f"data.path={typed}", "data.allow_pipe=true", kept)
    assert result.exit_code == 0, result.output
    score = ("evaluate", config_file.parent / "runs" / "test", "--count", 8)
    assert cli(*score).exit_code == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    for more, code in (((), 2), (("--data", typed), 0), (("--trust-code",), 0)):
        result = cli(*score, *more)
        assert result.exit_code == code, result.output


def test_a_state_folder_that_cannot_be_written_costs_a_sentence(
    cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    result = cli("train", "--config", config_file, "tracking.trackers=['tests.memory_tracker:Memory']")
    assert result.exit_code == 0, result.output
    log = (tmp_path / "runs" / "test" / "log.txt").read_text()
    assert "could not be marked as yours in your state folder (Not a directory)" in log
