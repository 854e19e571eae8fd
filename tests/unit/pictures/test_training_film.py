from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.pictures.training_film import find_grids, training_film


def grid(run: Path, images_seen: int, name: str = "fixed_z", size: tuple[int, int] = (120, 60)) -> Path:
    """A grid whose grey tells when it was drawn."""
    path = run / "samples" / f"{name}-{images_seen:012d}.png"
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", size, (images_seen // 100,) * 3).save(path)
    return path


def test_grids_of_fixed_z_are_found_in_order(tmp_path: Path) -> None:
    for images_seen in (6400, 0, 12800):
        grid(tmp_path, images_seen)
    grid(tmp_path, 19200, name="random_z")
    (tmp_path / "samples" / "fixed_z-best.png").write_bytes(b"")
    whole, damaged = find_grids(tmp_path)
    assert list(whole) == [0, 6400, 12800]
    assert damaged == []


def test_what_is_half_written_is_put_aside(tmp_path: Path) -> None:
    grid(tmp_path, 0)
    cut = grid(tmp_path, 6400)
    cut.write_bytes(cut.read_bytes()[:-40])
    grid(tmp_path, 12800).write_bytes(b"")
    grid(tmp_path, 19200).write_bytes(b"GIF89a no PNG at all")
    whole, damaged = find_grids(tmp_path)
    assert list(whole) == [0]
    assert damaged == [f"fixed_z-{images:012d}.png" for images in (6400, 12800, 19200)]


def test_no_grids_at_all_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"samples: no grid fixed_z-.*sample.interval_images"):
        find_grids(tmp_path)
    grid(tmp_path, 0).write_bytes(b"")
    with pytest.raises(UserError, match=r"only damaged grids \(fixed_z-000000000000.png\)"):
        find_grids(tmp_path)


def test_each_frame_is_a_grid_with_the_images_seen_below(tmp_path: Path) -> None:
    grids = {images: grid(tmp_path, images) for images in (0, 6400, 12800)}
    film = training_film(grids, max_frames=10, fps=4, hold_seconds=2)
    assert (film.count, film.fps, film.hold_seconds) == (3, 4, 2)
    frames = [np.asarray(film.frame(number)) for number in range(3)]
    assert [int(frame[30, 60, 0]) for frame in frames] == [0, 64, 128]
    assert all(frame.shape == frames[0].shape for frame in frames)
    captions = [frame[60:].tobytes() for frame in frames]
    assert len(set(captions)) == 3
    assert all((frame[60:] < 128).any() for frame in frames)


def test_of_too_many_grids_the_first_and_the_last_stay(tmp_path: Path) -> None:
    grids = {images: grid(tmp_path, images) for images in range(0, 20_000, 1000)}
    film = training_film(grids, max_frames=4, fps=4, hold_seconds=0)
    shades = [int(np.asarray(film.frame(number))[30, 60, 0]) for number in range(film.count)]
    assert len(shades) == 4
    assert (shades[0], shades[-1]) == (0, 190)
    assert shades == sorted(shades)


def test_a_smaller_grid_stands_on_white(tmp_path: Path) -> None:
    grids = {0: grid(tmp_path, 0, size=(100, 40)), 6400: grid(tmp_path, 6400)}
    film = training_film(grids, max_frames=10, fps=4, hold_seconds=0)
    first, last = np.asarray(film.frame(0)), np.asarray(film.frame(1))
    assert first.shape == last.shape
    assert (first[:40, :100] == 0).all()
    assert (first[:60, 100:] == 255).all()
