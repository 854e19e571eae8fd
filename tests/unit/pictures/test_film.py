from __future__ import annotations

import shutil
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from cgan_dist.errors import UserError
from cgan_dist.pictures import film as film_module
from cgan_dist.pictures.film import MAX_SIDE, Film, check_film

SHADES = [10, 60, 110, 160]


def grey_film(hold_seconds: float = 0.0, size: tuple[int, int] = (33, 20)) -> Film:
    """Four frames, each of one grey and with a white corner."""

    def frame(number: int) -> Image.Image:
        picture = Image.new("RGB", size, (SHADES[number],) * 3)
        picture.paste("white", (0, 0, 5, 5))
        return picture

    return Film(count=len(SHADES), frame=frame, fps=10, hold_seconds=hold_seconds)


def frames_of(path: Path) -> list[np.ndarray]:
    with Image.open(path) as gif:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(gif)]


def test_a_gif_has_every_frame_and_holds_the_last(tmp_path: Path) -> None:
    grey_film(hold_seconds=1.5).write(tmp_path / "film.gif")
    found = frames_of(tmp_path / "film.gif")
    assert np.abs([int(frame[-1, -1, 0]) - shade for frame, shade in zip(found, SHADES, strict=True)]).max() <= 2
    assert all((frame[:5, :5] == 255).all() for frame in found)
    with Image.open(tmp_path / "film.gif") as gif:
        assert gif.info["loop"] == 0
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
    assert durations == [100, 100, 100, 1600]
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


def test_a_gif_of_colours_has_one_palette(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    Film(count=3, frame=lambda number: Image.new("RGB", (16, 16), colours[number]), fps=5).write(tmp_path / "film.gif")
    for frame, colour in zip(frames_of(tmp_path / "film.gif"), colours, strict=True):
        assert np.abs(frame[8, 8].astype(int) - colour).max() <= 4
    content = (tmp_path / "film.gif").read_bytes()
    assert content.count(b"\x21\xf9\x04") == 3  # a frame each
    with Image.open(tmp_path / "film.gif") as gif:
        palettes = set()
        for number in range(3):
            gif.seek(number)
            palettes.add(bytes(gif.global_palette.palette) if gif.global_palette else b"")
    assert len(palettes) == 1


def test_frames_are_bounded_in_size(tmp_path: Path) -> None:
    grey_film(size=(MAX_SIDE + 400, 84)).write(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as gif:
        assert gif.size == (MAX_SIDE, 64)


def test_an_mp4_has_the_frames_and_the_time(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    grey_film(hold_seconds=1.0).write(path)
    reader = imageio_ffmpeg.read_frames(str(path))
    facts = next(reader)
    assert facts["size"] == (34, 20), "H.264 wants even sides"
    shades = [np.frombuffer(frame, np.uint8).reshape(20, 34, 3)[10, 20, 0] for frame in reader]
    assert len(shades) == 4 + 10
    assert np.abs(np.array(shades[:4], int) - SHADES).max() <= 3
    assert np.abs(np.array(shades[4:], int) - SHADES[-1]).max() <= 3
    assert [found.name for found in tmp_path.iterdir()] == ["film.mp4"]


def test_without_ffmpeg_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"pip install 'cgan_dist\[film\]'"):
        check_film(tmp_path / "film.mp4")
    check_film(tmp_path / "film.gif")


def test_the_systems_ffmpeg_is_taken_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: imageio_ffmpeg.get_ffmpeg_exe())
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    grey_film().write(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").stat().st_size > 500


def test_what_ffmpeg_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text("#!/bin/sh\necho 'Unknown encoder libx264' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(film_module, "_ffmpeg", lambda: str(script))
    with pytest.raises(UserError, match="ffmpeg could not write the film: Unknown encoder libx264"):
        grey_film(size=(1000, 1000)).write(tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.parametrize("name", ["film.avi", "film", "film.png"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"expected a name that ends in \.gif or \.mp4"):
        grey_film().write(tmp_path / name)


@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_a_folder_that_is_not_there_is_an_error_for_the_user(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="nowhere"):
        grey_film().write(tmp_path / "nowhere" / name)


def test_a_frame_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def frame(number: int) -> Image.Image:
        if number == 2:
            raise RuntimeError("no frame")
        return Image.new("RGB", (8, 8))

    for name in ("film.gif", "film.mp4"):
        with pytest.raises(RuntimeError, match="no frame"):
            Film(count=4, frame=frame, fps=5).write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
