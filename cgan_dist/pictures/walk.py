"""Walks through z: what lies between samples, for several labels along the same way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from einops import rearrange, repeat
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgan_dist.grid import BAND_GAP, draw_grid, stacked
from cgan_dist.pictures.film import Film
from cgan_dist.sampling.interpolation import way
from cgan_dist.sampling.sampler import Sampler


def walk_cells(
    sampler: Sampler,
    labels: Tensor,
    walks: int,
    stops: int,
    steps: int,
    closed: bool,
    z: Tensor | None = None,
) -> NDArray[np.uint8]:
    """Draws what lies on ways through z: (T, walks, columns, H, W, C), a column for each label.

    All labels go the same way, so what differs between columns is the label alone. The stops are samples like any
    other; between two of them the way is an arc for a normal z and straight for a uniform one.

    Args:
        sampler: of the generator.
        labels: of the space.
        walks: ways, each with stops of its own.
        stops: z's that a way passes.
        steps: images from one stop to the next, both included.
        closed: go back to the first stop.
        z: (stops * walks, Z), the first stops of all walks, then the second ones; null draws them.
    """
    z = sampler.latents(stops * walks, "walk") if z is None else z
    course = way(rearrange(z, "(stops walks) z -> stops walks z", stops=stops), steps, closed, sampler.latent)
    times, columns = len(course), len(labels)
    images = sampler.images(
        repeat(course, "times walks z -> (times walks columns) z", columns=columns),
        labels.repeat(times * walks, *(1 for _ in labels.shape[1:])),
    )
    pattern = "(times walks columns) c h w -> times walks columns h w c"
    cells: NDArray[np.uint8] = rearrange(images, pattern, times=times, walks=walks).numpy()
    return cells


def walk_picture(cells: NDArray[np.uint8], names: Sequence[str]) -> Image.Image:
    """Draws `walk_cells` as a grid for each walk, in which the way goes down."""
    return stacked([draw_grid(cells[:, walk], names) for walk in range(cells.shape[1])], BAND_GAP)


def walk_film(cells: NDArray[np.uint8], names: Sequence[str], fps: float) -> Film:
    """Shows `walk_cells` one step after the other, with a row for each walk."""
    return Film(count=len(cells), frame=lambda time: draw_grid(cells[time], names), fps=fps)
