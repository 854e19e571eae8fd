"""`cgan-dist invert`, `edit`, and what draws from found z: a picture goes in, and comes out under other labels."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

from cgan_dist.cli import main
from cgan_dist.inversion.found_file import read_found
from tests.conftest import pixels_of, striped_images
from tests.integration.conftest import Cli

COLUMN = 50
QUICK = ("--steps", 8, "--starts", 2)


@pytest.fixture(scope="module")
def stripes_as_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stripes")
    for number, image in enumerate(pixels_of(striped_images(3, seed=8))):
        Image.fromarray(image[:, :, 0]).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def found(small_run: Path, stripes_as_pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures that were found; tests that change the file copy it first."""
    out = tmp_path_factory.mktemp("found") / "out"
    arguments = ["invert", small_run, stripes_as_pictures, *QUICK, "--out", out]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "found.safetensors: 3 pictures, mean distance" in result.output
    assert "0.png: " in result.output
    assert "next best" in result.output
    return out / "found.safetensors"


def test_a_search_leaves_a_file_a_sheet_and_a_curve(found: Path, small_run: Path) -> None:
    assert {path.name for path in found.parent.iterdir()} == {
        "curve.jsonl",
        "curve.png",
        "found.safetensors",
        "pictures.png",
    }
    file = read_found(found)
    assert file.facts.names == ["0.png", "1.png", "2.png"]
    assert Path(file.facts.checkpoint).parent.parent == small_run
    assert file.z.shape == (3, 8)
    assert file.facts.settings["features"] == "discriminator"
    curves = [json.loads(line) for line in (found.parent / "curve.jsonl").read_text().splitlines()]
    assert [len(curve["distance"]) for curve in curves] == [8] * 3
    with Image.open(found.parent / "pictures.png") as sheet:
        assert 3 * COLUMN < sheet.width < 6 * COLUMN


@pytest.mark.parametrize("options", [["--labels", "flat"], ["--labels", "rows,columns,2"], []])
def test_labels_are_given_or_searched_and_the_same_command_finds_the_same(
    options: list[str], cli: Cli, small_run: Path, stripes_as_pictures: Path, tmp_path: Path
) -> None:
    files = []
    for name in ("one", "two"):
        arguments = ("invert", small_run, stripes_as_pictures, *QUICK, "--features", "none", *options)
        assert cli(*arguments, "--out", tmp_path / name).exit_code == 0
        files.append((tmp_path / name / "found.safetensors").read_bytes())
    assert files[0] == files[1]
    labels = read_found(tmp_path / "one" / "found.safetensors").labels.tolist()
    if options:
        assert labels == ([2, 2, 2] if options[1] == "flat" else [0, 1, 2])


def test_features_of_the_classifier_and_an_encoder(
    cli: Cli, small_run: Path, stripes_as_pictures: Path, tmp_path: Path
) -> None:
    arguments = (*QUICK, "--features", "classifier", "--encoder", "--encoder-images", 200, "--seed", 3)
    result = cli("invert", small_run, stripes_as_pictures / "0.png", *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    settings = read_found(tmp_path / "out" / "found.safetensors").facts.settings
    assert (settings["features"], settings["encoder_images"], settings["seed"]) == ("classifier", 200, 3)


def test_sample_walk_and_slide_draw_what_was_found(cli: Cli, small_run: Path, found: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    result = cli("sample", small_run, "--z", found, "--labels", "rows,flat", "--out", out)
    assert (result.exit_code, "2 labels, 3 samples of each" in result.output) == (0, True)
    with Image.open(out) as picture:
        grid = np.asarray(picture)
    result = cli("slide", small_run, "--z", found, "--labels", "rows,flat", "--steps", 2, "--out", out)
    assert (result.exit_code, "2 steps between 2 labels, 3 z" in result.output) == (0, True)
    with Image.open(out) as picture:
        slider = np.asarray(picture)
    assert np.abs(slider[-3 * COLUMN :].astype(int) - grid[-3 * COLUMN :]).max() <= 1
    result = cli("walk", small_run, "--z", found, "--labels", "rows", "--steps", 3, "--out", out)
    assert (result.exit_code, "1 walk of 5 steps, 1 labels" in result.output) == (0, True)
    with Image.open(out) as picture:
        first = np.asarray(picture)[-5 * COLUMN : -4 * COLUMN]
    assert np.abs(first.astype(int) - grid[-3 * COLUMN : -2 * COLUMN, : COLUMN + 2]).max() <= 1


def test_found_pictures_under_other_labels(cli: Cli, found: Path, tmp_path: Path) -> None:
    out = tmp_path / "edits.png"
    result = cli("edit", found, "--labels", "0,columns,flat", "--out", out)
    assert result.exit_code == 0, result.output
    assert "columns: root mean square difference" in result.output
    assert "read as asked" in result.output
    assert f"{out}: 3 pictures, 3 changes of classes" in result.output
    with Image.open(out) as picture:
        assert picture.width == 5 * COLUMN + 2
    result = cli("edit", found, "--set", "flat", "--slider", "--steps", 4, "--out", out)
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        assert picture.width == 4 * COLUMN + 2
    assert cli("edit", found, "--set", "flat; rows", "--out", tmp_path / "film.gif", "--steps", 5).exit_code == 0
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 12  # type: ignore[attr-defined]


def test_an_attribute_is_changed_alone_and_the_data_can_be_done_without(
    cli: Cli, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from cgan_dist.data.source import InMemory, Source
    from cgan_dist.data.writer import Plan, write_shards
    from cgan_dist.labels import AttributeLabels
    from tests.conftest import CONFIG

    source = striped_images(60)
    bits = np.random.default_rng(0).integers(0, 2, (60, 3), dtype=np.uint8)
    schema = AttributeLabels(names=["hat", "smile", "beard"])
    drawn = Source(labels=bits, schema=schema, read=InMemory(pixels_of(source)), description="bits")
    write_shards(drawn, tmp_path / "shards", Plan(shards=2))
    (tmp_path / "config.yaml").write_text(CONFIG.format(runs=tmp_path / "runs", data=tmp_path / "shards"))
    assert cli("train", "--config", tmp_path / "config.yaml").exit_code == 0
    Image.fromarray(pixels_of(source)[0][:, :, 0]).save(tmp_path / "a.png")
    run, out = tmp_path / "runs" / "test", tmp_path / "out"
    result = cli("invert", run, tmp_path / "a.png", *QUICK, "--labels", "hat,beard", "--out", out)
    assert result.exit_code == 0, result.output
    result = cli("edit", out / "found.safetensors", "--set", "smile=1; hat=0", "--out", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    assert "smile=1: root mean square difference" in result.output
    assert "other attributes and classes read as before" in result.output
    shutil.rmtree(tmp_path / "shards")
    logging.getLogger("cgan_dist").propagate = True  # which the run above has taken over
    result = cli("invert", run, tmp_path / "a.png", *QUICK, "--out", out)
    assert result.exit_code == 0, result.output
    assert "No classifier of the real images" in caplog.text
    result = cli("edit", out / "found.safetensors", "--set", "smile=1", "--out", tmp_path / "a.png")
    assert (result.exit_code, "read as asked" in result.output) == (0, False)
    result = cli("invert", run, tmp_path / "a.png", *QUICK, "--features", "classifier", "--out", out)
    assert (result.exit_code, "does not exist" in result.output) == (2, True)


def test_latents_are_compared_as_pictures(
    cli: Cli, tmp_path: Path, latents_folder: Path, autoencoder_folder: Path
) -> None:
    from tests.conftest import CONFIG

    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(runs=tmp_path / "runs", data=latents_folder))
    result = cli("train", "--config", config, f"data.autoencoder={autoencoder_folder}")
    assert result.exit_code == 0, result.output
    Image.new("RGB", (20, 16), (200, 10, 10)).save(tmp_path / "red.jpg")
    run, picture = tmp_path / "runs" / "test", tmp_path / "red.jpg"
    result = cli("invert", run, picture, *QUICK, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert read_found(tmp_path / "out" / "found.safetensors").pictures.shape == (1, 3, 16, 16)
    result = cli("invert", run, picture, *QUICK, "--features", "discriminator", "--out", tmp_path / "out")
    assert (result.exit_code, "judges latents and not pictures" in result.output) == (2, True)


def test_what_cannot_be_found_is_an_error_for_the_user(
    cli: Cli, small_run: Path, stripes_as_pictures: Path, tmp_path: Path
) -> None:
    picture = stripes_as_pictures / "0.png"
    (tmp_path / "text.png").write_text("no picture")
    cases = {
        (tmp_path / "text.png",): "not a picture",
        (tmp_path / "nothing.png",): "No such file",
        (tmp_path,): "not a picture",
        (picture, "--labels", "stripes"): "no such class",
        (picture, "--labels", "rows,flat"): "--labels: found 2 for 1 pictures",
        (picture, "--steps", "0"): "steps: found 0; expected 1 to 10,000",
        (picture, "--feature-weight", "2"): "--feature-weight: found 2; expected 0 to 1",
        (picture, "--fill", "black"): "nothing is filled without --fit pad",
        (picture, "--features", "pixel"): "Invalid value",
        (): "Missing argument",
    }
    for arguments, fragment in cases.items():
        result = cli("invert", small_run, *arguments, "--out", tmp_path / "out")
        assert (result.exit_code, fragment in result.output) == (2, True), (arguments, result.output)
    assert not (tmp_path / "out").exists()
    result = cli("invert", small_run, picture, "--out", tmp_path / "out.png")
    assert (result.exit_code, "expected the name of a folder" in result.output) == (2, True)


def test_what_does_not_fit_is_an_error_for_the_user(
    cli: Cli, small_run: Path, found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.png"
    moved = tmp_path / "moved.safetensors"
    tensors = load_file(found)
    facts = json.loads(read_found(found).facts.model_dump_json())
    save_file(tensors, moved, metadata={"cgan_dist": json.dumps(facts | {"checkpoint": str(tmp_path / "gone")})})
    longer = tmp_path / "longer.safetensors"
    save_file(tensors | {"z": torch.zeros(3, 9)}, longer, metadata={"cgan_dist": json.dumps(facts | {"latent_dim": 9})})
    cases = {
        ("edit", moved, "--labels", "0"): "which is not there any more",
        ("edit", longer, "--labels", "0"): "this generator takes 8",
        ("edit", found): "expected one of --labels and --set",
        ("edit", found, "--labels", "0", "--set", "rows"): "expected one of --labels and --set",
        ("edit", found, "--set", "stripes"): "no such class",
        ("edit", tmp_path / "nothing.safetensors", "--set", "rows"): "No such file",
        ("sample", small_run, "--z", longer): "its z have 9 entries, uniform; this generator takes 8, uniform",
        ("sample", small_run, "--z", "fixd"): "expected random, fixed, or a file that ends in .safetensors",
        ("sample", small_run, "--z", found, "--per-label", 2): "--per-label: found 2, but with --z",
        ("sample", small_run, "--z", found, "--truncation", 0.5): "--truncation: found 0.5, but with --z",
        ("walk", small_run, "--z", found, "--stops", 2): "--stops: found 2, but with --z",
        ("slide", small_run, "--z", found, "--rows", 2): "--rows: found 2, but with --z",
    }
    for arguments, fragment in cases.items():
        result = cli(*arguments, "--out", out)
        assert (result.exit_code, fragment in result.output) == (2, True), (arguments, result.output)
        assert not out.exists()
    assert cli("edit", moved, "--labels", "0", "--run", small_run, "--out", out).exit_code == 0
    one = tmp_path / "one.safetensors"
    save_file(
        {name: tensor[:1].contiguous() for name, tensor in tensors.items()},
        one,
        metadata={"cgan_dist": json.dumps(facts | {"names": ["0.png"]})},
    )
    result = cli("walk", small_run, "--z", one, "--out", tmp_path / "b.png")
    assert (result.exit_code, "found one z; expected two or more" in result.output) == (2, True)
    monkeypatch.setenv("CGAN_DIST_GRID_PICTURES", "5")
    result = cli("sample", small_run, "--z", found, "--labels", "0,1", "--out", tmp_path / "b.png")
    assert (result.exit_code, "6 pictures, expected at most 5" in result.output) == (2, True)


def test_z_of_another_checkpoint_are_drawn_with_a_warning(
    cli: Cli, small_run: Path, found: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    shutil.rmtree(newest)
    result = cli("sample", run, "--z", found, "--out", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    assert "another generator than that of" in caplog.text
