"""Training as a film: the grids of one and the same z that a run draws as it goes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.grid import captioned, open_grid
from cgan_dist.pictures.film import Film

GRID = re.compile(r"fixed_z-(\d{12})\.png", re.ASCII)


class Grids(NamedTuple):
    """A run's grids of fixed z: whole ones by images seen, in order, and names of files that are none."""

    whole: dict[int, Path]
    damaged: list[str]


def find_grids(run: Path) -> Grids:
    """Reads every grid of fixed z below a run folder; what a kill has left half written is put aside.

    Raises:
        UserError: if there is no whole one.
    """
    folder = run / "samples"
    found = {int(match[1]): path for path in sorted(folder.glob("*.png")) if (match := GRID.fullmatch(path.name))}
    whole = {images: path for images, path in found.items() if _is_whole(path)}
    damaged = [path.name for images, path in found.items() if images not in whole]
    if not whole:
        what = f"only damaged grids ({', '.join(damaged)})" if damaged else "no grid fixed_z-….png"
        raise UserError(
            f"{folder}: {what}; expected a run folder such as runs/demo, in which training has drawn some "
            "(sample.interval_images)."
        )
    return Grids(whole, damaged)


def training_film(grids: dict[int, Path], max_frames: int, fps: float, hold_seconds: float) -> Film:
    """Shows grids one after the other, with the images seen in a corner; of too many, evenly chosen ones.

    Args:
        grids: by images seen, in order. If their sizes differ, the smaller ones stand on white.
        max_frames: at least one; the first and the last grid are always there.
        fps: frames per second.
        hold_seconds: how much longer the last one stays.
    """
    count = min(max_frames, len(grids))
    numbers = np.linspace(len(grids) - 1, 0, count).round().astype(int)[::-1]
    chosen = [list(grids.items())[number] for number in numbers]
    sizes = [_size_of(path) for _, path in chosen]
    width, height = (max(sides) for sides in zip(*sizes, strict=True))
    captions = [f"{images_seen:,} images" for images_seen, _ in chosen]

    def frame(number: int) -> Image.Image:
        canvas = Image.new("RGB", (width, height), "white")
        with open_grid(chosen[number][1]) as grid:
            canvas.paste(grid)
        return captioned(canvas, captions[number], captions)

    return Film(count=count, frame=frame, fps=fps, hold_seconds=hold_seconds)


def _size_of(path: Path) -> tuple[int, int]:
    with open_grid(path) as picture:
        return picture.size


def _is_whole(path: Path) -> bool:
    try:
        with open_grid(path) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError):  # Pillow's ways of saying that it is none, or cut off
        return False
    return True
