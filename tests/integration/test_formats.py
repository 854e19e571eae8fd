"""What earlier revisions left on disk loads, and draws what it drew then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from cgan_dist import Generator, find_checkpoint, load_sampler
from tests.integration.conftest import Cli
from tests.launching import ROOT

FORMATS = ROOT / "tests" / "formats"
VERSIONS = sorted(path.name for path in FORMATS.iterdir() if path.is_dir())


@pytest.fixture(params=VERSIONS)
def kept(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all that one revision left; paths in it are relative to it, as they were typed."""
    folder = tmp_path / "kept"
    shutil.copytree(FORMATS / request.param, folder)
    monkeypatch.chdir(folder)
    return folder


def samples(kept: Path) -> dict[str, Any]:
    with np.load(kept / "samples.npz") as file:
        return {name: file[name] for name in file.files}


def test_there_is_something_to_read() -> None:
    assert VERSIONS


def test_a_prepared_set_is_whole(kept: Path, cli: Cli) -> None:
    result = cli("verify", "shards")
    assert result.exit_code == 0, result.output
    assert "203 images in 4 shards, all as prepared" in result.output


def test_a_checkpoint_draws_what_it_drew(kept: Path) -> None:
    then = samples(kept)
    sampler = load_sampler(find_checkpoint(Path("runs/old")), int(then["seed"]), torch.device("cpu"))
    now = sampler.balanced(torch.tensor([0, 1, 2]), len(then["images"]))
    assert np.array_equal(now.labels, then["labels"])
    assert np.array_equal(now.images, then["images"])


def test_a_model_folder_draws_what_it_drew(kept: Path) -> None:
    then = samples(kept)
    generator = Generator.from_pretrained("model")
    assert np.array_equal(generator.sample([0, 1, 2], len(then["images"]), int(then["seed"])), then["images"])
    assert generator.label_names == ["rows", "columns", "flat"]


def test_an_exported_graph_draws_what_it_drew(kept: Path) -> None:
    then = samples(kept)
    z = Generator.from_pretrained("model").sampler(int(then["seed"])).latents(len(then["images"]), "balanced")
    session = onnxruntime.InferenceSession("model/model.onnx")
    (floats,) = session.run(["images"], {"z": z.numpy(), "labels": then["labels"]})
    pixels = np.clip(floats * 127.5 + 128, 0, 255).astype(np.uint8)
    assert np.array_equal(pixels.transpose(0, 2, 3, 1), then["images"])


def test_the_lines_of_an_old_card_still_load_the_model(kept: Path) -> None:
    card = Path("model/README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0].replace("path/to/this/folder", "model")
    found: dict[str, Any] = {}
    exec(code, found)  # what a reader of the card types
    assert found["images"].shape == (8, 8, 8, 1)


def test_a_run_goes_on(kept: Path, cli: Cli) -> None:
    lines = Path("runs/old/metrics.jsonl").read_text().splitlines()
    result = cli("train", "--config", "config.yaml", "train.total_images=2400")
    assert result.exit_code == 0, result.output
    now = Path("runs/old/metrics.jsonl").read_text().splitlines()
    assert now[: len(lines)] == lines
    assert [json.loads(line)["images"] for line in now] == [400, 800, 1200, 1600, 2000, 2400]
    assert "Going on from" in Path("runs/old/log.txt").read_text()
    assert find_checkpoint(Path("runs/old")).images_seen == 2400


def test_a_run_is_scored_and_exported(kept: Path, cli: Cli) -> None:
    assert cli("evaluate", "runs/old", "--count", "60").exit_code == 0
    assert cli("export", "runs/old", "--out", "again").exit_code == 0
    then = samples(kept)
    again = Generator.from_pretrained("again")
    assert np.array_equal(again.sample([0, 1, 2], len(then["images"]), int(then["seed"])), then["images"])
