"""Edits: each row's own z under other labels, at once or on the way from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from cgan_dist.grid import draw_grid, in_colour
from cgan_dist.pictures.sliders import Slider, check_movable, moved_cells
from cgan_dist.sampling.interpolation import places
from cgan_dist.sampling.sampler import Sampler


def draw_edits(
    sampler: Sampler, z: Tensor, stops: Sequence[Tensor], names: Sequence[str], pictures: Tensor
) -> Image.Image:
    """Draws a row for each z: the picture it was found for, and what it draws under each of its labels.

    Args:
        sampler: of the generator.
        z: (P, Z).
        stops: of (P,) or (P, W) labels of the space each.
        names: one for each stop.
        pictures: (P, C, H, W) uint8.
    """
    made = [sampler.images(z, labels) for labels in stops]
    cells = np.stack([in_colour(images.numpy()) for images in (pictures, *made)], axis=1)
    return draw_grid(cells, ["picture", *names])


def draw_ways(
    sampler: Sampler, z: Tensor, stops: Sequence[Tensor], names: Sequence[str], steps: int, closed: bool
) -> Slider:
    """Moves the label of each row from the first of its own stops to the next and so on, with its z held.

    Args:
        sampler: of the generator.
        z: (P, Z).
        stops: of (P,) or (P, W) labels of the space each, two or more.
        names: one for each stop.
        steps: images from one stop to the next, both included.
        closed: go back to the first.

    Raises:
        UserError: if there is nothing to move.
    """
    check_movable(sampler.label_space)
    course = places(len(stops), steps, closed)
    heads = [f"{at.share:.0%}" if at.share else names[at.before] for at in course]
    captions = [
        f"{names[at.before]} to {names[at.after]}: {at.share:.0%}" if at.share else names[at.before] for at in course
    ]
    return Slider(moved_cells(sampler, z, stops, course), heads, captions)
