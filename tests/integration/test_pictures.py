"""`cgan-dist sample`, `walk`, `slide`, `film` and `neighbours`: pictures for a person to look at."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.conftest import Cli

COLUMN = 50


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "picture.png"


def test_a_sample_of_given_labels(cli: Cli, small_run: Path, out: Path) -> None:
    result = cli("sample", small_run, "--labels", "flat,0", "--per-label", 3, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"{out}: 2 labels, 3 samples of each" in result.output
    with Image.open(out) as picture:
        assert (picture.format, picture.width) == ("PNG", 2 * COLUMN + 2)


def test_truncation_changes_samples(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    pictures = []
    for number, options in enumerate(([], ["--truncation", "0.5"], ["--truncation", "0.5"], ["--truncation", "1"])):
        out = tmp_path / f"{number}.png"
        assert cli("sample", small_run, *options, "--out", out).exit_code == 0
        pictures.append(out.read_bytes())
    whole, cut, again, one = pictures
    assert cut == again != whole == one
    result = cli("sample", small_run, "--truncation", "1.5", "--out", tmp_path / "x.png")
    assert (result.exit_code, "truncation: found 1.5" in result.output) == (2, True)


def test_a_walk_goes_down(cli: Cli, small_run: Path, out: Path) -> None:
    result = cli("walk", small_run, "--labels", "0,1", "--stops", 2, "--steps", 4, "--walks", 2, "--out", out)
    assert result.exit_code == 0, result.output
    assert "2 walks of 4 steps, 2 labels" in result.output
    with Image.open(out) as picture:
        assert picture.width == 2 * COLUMN + 2
        assert 8 * COLUMN < picture.height < 10 * COLUMN


def test_a_slider_has_a_column_for_each_step(cli: Cli, small_run: Path, out: Path) -> None:
    result = cli("slide", small_run, "--labels", "0,flat", "--rows", 2, "--steps", 5, "--out", out)
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        slider = np.asarray(picture)
    assert slider.shape[1] == 5 * COLUMN + 2
    cli("sample", small_run, "--labels", "0,flat", "--per-label", 2, "--z", "fixed", "--out", out)
    with Image.open(out) as picture:
        ends = np.asarray(picture)
    first, last = slider[-2 * COLUMN :, :COLUMN], slider[-2 * COLUMN :, -COLUMN - 2 :]
    assert np.abs(first.astype(int) - ends[-2 * COLUMN :, :COLUMN]).max() <= 1
    assert np.abs(last.astype(int) - ends[-2 * COLUMN :, -COLUMN - 2 :]).max() <= 1


@pytest.mark.parametrize(("command", "frames"), [("walk", 3 * 4), ("slide", 3 * 4)])
@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_walks_and_sliders_may_be_films(
    cli: Cli, small_run: Path, tmp_path: Path, command: str, frames: int, kind: str
) -> None:
    out = tmp_path / f"film.{kind}"
    result = cli(command, small_run, "--steps", 5, "--fps", 20, "--out", out)
    assert result.exit_code == 0, result.output
    if kind == "gif":
        with Image.open(out) as film:
            assert (film.n_frames, film.info["duration"]) == (frames, 50)  # type: ignore[attr-defined]
    else:
        import imageio_ffmpeg

        reader = imageio_ffmpeg.read_frames(str(out))
        next(reader)
        assert sum(1 for _ in reader) == frames


def test_a_film_of_the_training_leaves_out_what_is_damaged(cli: Cli, small_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    damaged = run / "samples" / "fixed_z-000000000032.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    result = cli("film", run, "--out", tmp_path / "film.gif")
    assert result.exit_code == 0, result.output
    assert f"{damaged}: damaged or half written, left out" in result.output
    assert "2 of 2 grids" in result.output
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 2  # type: ignore[attr-defined]
        film.seek(1)
        assert film.info["duration"] == 125 // 10 * 10 + 3000


def test_neighbours_are_drawn_below_samples(cli: Cli, small_run: Path, out: Path) -> None:
    for features in ("pixels", "classifier"):
        result = cli("neighbours", small_run, "--labels", "0,2", "--k", 2, "--features", features, "--out", out)
        assert result.exit_code == 0, result.output
        assert f"median distance in {features} to the nearest of 203 real images" in result.output
        with Image.open(out) as picture:
            assert 2 * COLUMN + 2 < picture.width < 5 * COLUMN
            assert 3 * COLUMN < picture.height < 4 * COLUMN


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["walk", "--out", "walk.bmp"], "expected a name that ends in .png, .jpg, .jpeg, .webp, .gif or .mp4"),
        (["slide", "--labels", "0", "--out", "x.png"], "labels: found one, rows; expected two or more"),
        (["slide", "--labels", "0,colums", "--out", "x.png"], "Did you mean 'columns'?"),
        (["film", "--out", "film.png"], "expected a name that ends in .gif or .mp4"),
        (["neighbours", "--k", "203", "--out", "x.png"], "--k 203: expected less than the number of real images, 203"),
        (["neighbours", "--features", "pixel", "--out", "x.png"], "unknown feature extractor 'pixel'"),
        (["neighbours", "--data", "nowhere", "--out", "x.png"], "nowhere"),
        (["walk", "--out", "nowhere/x.png"], "--out nowhere/x.png: cannot write"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_for_the_user(
    cli: Cli, small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], fragment: str
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *rest = arguments
    result = cli(command, small_run, *rest)
    assert result.exit_code == 2, result.output
    assert fragment in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_grids_has_no_film(cli: Cli, tmp_path: Path) -> None:
    result = cli("film", tmp_path, "--out", tmp_path / "film.gif")
    assert result.exit_code == 2
    assert "no grid fixed_z-" in result.output
