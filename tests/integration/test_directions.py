"""`cgan-dist directions`: what changes a run's images most."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from cgan_dist.assembly.saved import load_sampler
from cgan_dist.checkpoints.store import find_checkpoint
from cgan_dist.directions.directions_file import read_directions_file
from cgan_dist.directions.factorization import factorized, first_layers
from tests.integration.conftest import Cli

FILE, SHEET = "directions.safetensors", "directions.png"


def test_factors_need_no_data(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "directions"
    result = cli("directions", small_run, "--factors", 3, "--labels", "flat,0", "--steps", 5, "--out", out)
    assert result.exit_code == 0, result.output
    assert "factor 1" in result.output
    assert f"{out}: 3 directions" in result.output
    found, facts = read_directions_file(out / FILE)
    checkpoint = find_checkpoint(small_run)
    sampler = load_sampler(checkpoint, 0, torch.device("cpu"))
    expected = factorized(first_layers(sampler.generator), 3)
    assert torch.equal(found.vectors, expected.vectors)
    assert (facts.latent_dim, facts.latent, facts.images_seen) == (sampler.latent_dim, sampler.latent, 64)
    assert facts.checkpoint == str(checkpoint.folder.resolve())
    with Image.open(out / SHEET) as picture:
        assert picture.height > 3 * 2 * 50


def test_labels_are_read_by_the_classifier_of_the_data(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    result = cli("directions", small_run, "--factors", 1, "--read", "columns,flat", "--pairs", 200, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert read_directions_file(tmp_path / FILE)[0].names == ["factor 1", "more columns", "more flat"]
    first = (tmp_path / FILE).read_bytes()
    again = cli("directions", small_run, "--factors", 1, "--read", "columns,flat", "--pairs", 200, "--out", tmp_path)
    assert (again.exit_code, (tmp_path / FILE).read_bytes()) == (0, first)
    result = cli("directions", small_run, "--factors", 0, "--read", "all", "--pairs", 200, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert read_directions_file(tmp_path / FILE)[0].names == ["more rows", "more columns", "more flat"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--factors", 0), "--factors: found 0 and no --read"),
        (("--read", "colums"), "--read: the data has no label 'colums'. Did you mean 'columns'?"),
        (("--read", "flat", "--pairs", 3), "--pairs: found 3; expected"),
        (("--read", "flat", "--data", "nowhere"), "nowhere"),
        (("--reach", 0), "--reach"),
        (("--steps", 1), "--steps"),
    ],
)
def test_what_cannot_be_done_is_refused(
    cli: Cli, small_run: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    result = cli("directions", small_run, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "out").exists()
