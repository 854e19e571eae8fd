"""From a table of pictures to a trained run, its samples and scores, for every label space and for a plug-in."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.conftest import Cli

COUNT = 48
KINDS = ("square", "round", "flat")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose class is a shape, whose attributes are two coloured corners, and whose value is the brightness."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    with (root / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "shape", "Red", "Blue", "angle"])
        for number in range(COUNT):
            red, blue = generator.integers(0, 2, 2).tolist()
            angle = round(float(generator.uniform(0, 360)), 2)
            picture = np.full((16, 16, 3), int(angle / 2), np.uint8)
            picture[:4, :4] = (255 * red, 0, 255 * blue)
            Image.fromarray(picture).save(root / f"{number}.png")
            rows.writerow([f"{number}.png", KINDS[number % 3], red, blue, angle])
    return root


@pytest.fixture(scope="module")
def product(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards with all three kinds of labels."""
    from click.testing import CliRunner

    from cgan_dist.cli import main

    out = tmp_path_factory.mktemp("shards") / "product"
    options = (
        "file=labels.csv",
        "path=file",
        "label=shape",
        "attributes=[Red, Blue]",
        "continuous=[angle]",
        "ranges=[[0, 360]]",
    )
    arguments = ["prepare", "csv", "--source", str(table), "--out", str(out), "--shards", "4", "--processes", "1"]
    result = CliRunner().invoke(main, [*arguments, *(word for option in options for word in ("--option", option))])
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.parametrize(
    ("labels", "ways", "text", "images"),
    [
        ("auto", "generator: [concat, film], discriminator: [channels, projection]", "round,Red=1,angle=90; 0,Blue", 2),
        ("classes", "generator: [embedding], discriminator: [projection, multi_hinge]", "round,0", 2),
        (
            "{name: attributes, args: {names: [Blue]}}",
            "generator: [film], discriminator: [auxiliary]",
            "Blue=1;none",
            2,
        ),
        ("continuous", "generator: [concat], discriminator: [embedding_channels]", "angle=0;angle=180;angle=359", 3),
        ("none", "generator: [], discriminator: []", "any", 1),
        (
            "{name: product, args: {parts: [classes, attributes]}}",
            "generator: [concat], discriminator: [channels, auxiliary]",
            "flat,Red=1,Blue=1",
            1,
        ),
        (
            "continuous",
            "generator: ['examples.fourier:FourierLatent'], "
            "discriminator: [{name: 'examples.fourier:FourierChannels', args: {frequencies: 2}}]",
            "angle=10",
            1,
        ),
    ],
)
def test_every_label_space_trains_samples_and_is_scored(
    cli: Cli, config_file: Path, product: Path, tmp_path: Path, labels: str, ways: str, text: str, images: int
) -> None:
    conditioning = f"conditioning={{labels: {labels}, {ways}}}"
    result = cli("train", "--config", config_file, f"data.path={product}", conditioning)
    assert result.exit_code == 0, result.output
    run = tmp_path / "runs" / "test"
    assert len(list((run / "samples").glob("*.png"))) == 3 * 3  # real, random_z, fixed_z at 0, 32 and 64 images

    result = cli("sample", run, "--labels", text, "--per-label", 3, "--out", tmp_path / "grid.png")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size[0] == images * 50 + 2
    for picture in ("walk", "slide"):
        result = cli(picture, run, "--steps", 3, "--out", tmp_path / f"{picture}.png")
        has_nothing_to_move = picture == "slide" and labels == "none"
        assert result.exit_code == (2 if has_nothing_to_move else 0), result.output
    result = cli("generate", run, "--format", "npz", "--count", 20, "--out", tmp_path / "many.npz")
    assert result.exit_code == 0, result.output
    arrays = np.load(tmp_path / "many.npz")
    assert arrays["images"].shape == (20, 16, 16, 3)
    assert len(arrays["labels"]) == 20

    result = cli("evaluate", run, "--metrics", "label_accuracy", "--count", 20)
    if labels == "none":
        assert result.exit_code == 2
        assert "label" in result.output
        return
    assert result.exit_code == 0, result.output
    (scores,) = [entry["scores"] for entry in json.loads((run / "evaluation.json").read_text())]
    wanted = "label_error" if labels == "continuous" else "label_accuracy"
    assert any(name.startswith(wanted) for name in scores)


def test_a_plug_in_refuses_labels_that_it_cannot_take(cli: Cli, config_file: Path, product: Path) -> None:
    conditioning = "conditioning={labels: classes, generator: ['examples.fourier:FourierLatent']}"
    result = cli("check", "--config", config_file, f"data.path={product}", conditioning)
    assert result.exit_code == 2
    assert "examples.fourier needs conditioning.labels: continuous" in result.output


def test_a_product_run_goes_on_exactly(cli: Cli, config_file: Path, product: Path, tmp_path: Path) -> None:
    from cgan_dist.checkpoints.store import find_checkpoint

    options = (f"data.path={product}", "conditioning.labels=auto", "loss={adversarial: hinge, penalties: {lecam: 0.3}}")
    rows = "optim.tables=rows"
    for name, images in (("parts", 32), ("parts", 96), ("whole", 96)):
        result = cli(
            "train", "--config", config_file, *options, rows, f"run.name={name}", f"train.total_images={images}"
        )
        assert result.exit_code == 0, result.output
    parts, whole = (find_checkpoint(tmp_path / "runs" / name) for name in ("parts", "whole"))
    for what in ("generator", "discriminator", "ema", "objective"):
        ours, theirs = parts.tensors(what), whole.tensors(what)
        assert ours.keys() == theirs.keys()
        assert ours
        assert all((ours[key] == theirs[key]).all() for key in ours)
