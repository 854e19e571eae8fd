"""From a run to a folder that others can load, and onto the Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cgan_dist import Generator
from cgan_dist.cli import main
from cgan_dist.sharing.graphs import FORMS, trace, write_graph
from tests.conftest import CONFIG
from tests.core_only import make_site, run_core_only
from tests.hub_server import TOKEN, Hub
from tests.integration.conftest import Cli
from tests.launching import ROOT
from tests.unit.generator_samples import config_of

THREE_LINES = """
from cgan_dist import Generator
generator = Generator.from_pretrained({folder!r})
images = generator.sample("flat,rows", count=8, seed=0)
"""


@pytest.fixture(scope="module")
def run(shards_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a second."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "config.yaml").write_text(CONFIG.format(runs=folder, data=shards_folder))
    result = CliRunner().invoke(main, ["train", "--config", str(folder / "config.yaml")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "test"


@pytest.fixture
def model(cli: Cli, run: Path, tmp_path: Path) -> Path:
    assert cli("export", run, "--out", tmp_path / "model").exit_code == 0
    return tmp_path / "model"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", "/no/such/file")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield server
    server.close()


def test_everything_is_written_and_checked(cli: Cli, run: Path, tmp_path: Path) -> None:
    result = cli("export", run, "--out", tmp_path / "model", "--format", "all", "--license", "cc-by-4.0")
    assert result.exit_code == 0, result.output
    assert "model.safetensors: loads, and draws the same images, bit for bit" in result.output
    for file in ("model.onnx", "model.pt2"):
        (error,) = re.findall(rf"^{file}: differs from PyTorch by at most (\S+)$", result.output, re.MULTILINE)
        assert 0 <= float(error) < 1e-4
    names = ["README.md", "config.json", "grid.png", "model.onnx", "model.pt2", "model.safetensors"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == names
    assert "license: cc-by-4.0" in (tmp_path / "model" / "README.md").read_text()


def test_a_checkpoint_can_be_named_and_a_folder_replaced(cli: Cli, run: Path, tmp_path: Path) -> None:
    first = run / "checkpoints" / "step-000000000032"
    assert cli("export", first, "--out", tmp_path / "model").exit_code == 0
    assert Generator.from_pretrained(tmp_path / "model").config.origin.images_seen == 32
    assert cli("export", run, "--out", tmp_path / "model").exit_code == 2
    assert cli("export", run, "--out", tmp_path / "model", "--overwrite").exit_code == 0
    assert Generator.from_pretrained(tmp_path / "model").config.origin.images_seen == 64


def test_three_lines_load_it_where_only_the_core_is_installed(model: Path, tmp_path: Path) -> None:
    make_site(tmp_path / "site")
    lines = THREE_LINES.format(folder=str(model))
    found = run_core_only(
        tmp_path / "site", lines + "import numpy; numpy.save('images.npy', images)\nimport torchvision", tmp_path
    )
    assert "No module named 'torchvision'" in found.stderr.splitlines()[-1], found.stderr  # nothing before it failed
    here = Generator.from_pretrained(model).sample("flat,rows", count=8, seed=0)
    assert here.shape == (8, 8, 8, 1)
    there = np.load(tmp_path / "images.npy")
    assert np.abs(there.astype(int) - here.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "onx"], "--format: found 'onx'. Did you mean 'onnx'? Expected safetensors, onnx, torch_export"),
        (["--format", "onnx,"], "--format: found ''"),
        (["--license", "MIT"], "--license: found 'MIT'"),
    ],
)
def test_bad_options_are_named(cli: Cli, run: Path, tmp_path: Path, options: list[str], message: str) -> None:
    result = cli("export", run, "--out", tmp_path / "model", *options)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "model").exists()


def test_a_run_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    result = cli("export", tmp_path / "nothing", "--out", tmp_path / "model")
    assert result.exit_code == 2
    assert "nothing: no such folder" in result.output


def test_a_dry_run_lists_exactly_what_would_go(cli: Cli, model: Path, hub: Hub) -> None:
    (model / "notes.txt").write_text("mine")
    result = cli("push", model, "--to", "ada/digits", "--dry-run", "--private")
    assert result.exit_code == 0, result.output
    listed = re.findall(r"^(\S+) +([0-9,]+) bytes$", result.output, re.MULTILINE)
    sizes = {name: int(size.replace(",", "")) for name, size in listed}
    assert sizes == {path.name: path.stat().st_size for path in model.iterdir() if path.name != "notes.txt"}
    assert "left out, for it is no part of a model folder: notes.txt" in result.output
    assert "would go to ada/digits (private); nothing was uploaded." in result.output
    assert hub.posted == []


def test_what_is_pushed_is_what_was_listed(
    cli: Cli, model: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "notes.txt").write_text("mine")
    result = cli("push", model, "--to", "ada/digits", "--private")
    assert result.exit_code == 2
    assert "no token for the Hub was found" in result.output
    assert hub.posted == []
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    result = cli("push", model, "--to", "ada/digits", "--private")
    assert result.exit_code == 0, result.output
    assert f"{hub.url}/ada/digits/commit/" in result.output
    assert hub.private == {"ada/digits"}
    expected = {path.name: path.read_bytes() for path in model.iterdir() if path.name != "notes.txt"}
    assert hub.repositories == {"ada/digits": expected}


def test_what_is_no_model_folder_is_not_pushed(cli: Cli, run: Path, model: Path) -> None:
    for folder, to, message in (
        (run, "ada/digits", "no config.json in it; expected a model folder"),
        (model / "nothing", "ada/digits", "no such folder"),
        (model, "digits", "--to digits: expected a repository of the Hub as user/name"),
        (model, "ada/di..gits", "--to ada/di..gits: expected a repository of the Hub"),
    ):
        result = cli("push", folder, "--to", to, "--dry-run")
        assert result.exit_code == 2
        assert message in result.output


def test_the_documents_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of() | {"labels": {"kind": "classes", "names": [str(digit) for digit in range(10)]}}
    config["generator"]["latent_dim"] = 64
    generator = Generator(config)
    generator.save_pretrained(tmp_path / "models" / "digits")
    program = trace(generator)
    for form in FORMS:
        write_graph(form, program, generator, tmp_path / "models" / "digits")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "sharing.md").read_text(), re.DOTALL)
    found: list[dict[str, Any]] = []
    for block in blocks:
        exec(block, scope := {})
        found.append(scope)
    three_lines, called, onnx, exported = found
    assert three_lines["images"].shape == (8, 13, 14, 1)
    assert called["pixels"].shape == (4, 1, 13, 14)
    assert (tmp_path / "grid.png").is_file()
    expected = generator.to_uint8(generator(torch.from_numpy(onnx["z"]), "3")).numpy()
    assert np.abs(onnx["pixels"].astype(int) - expected.astype(int)).max() <= 1
    assert exported["images"].shape == (8, 1, 13, 14)
