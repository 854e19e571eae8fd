"""Edits: each row's own z under other labels, at once or on the way from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange, repeat
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgan_dist.conditioning.condition import Condition
from cgan_dist.errors import UserError
from cgan_dist.grid import draw_grid
from cgan_dist.pictures.sliders import Slider, mixture
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
    cells = np.stack([_colour(images) for images in (pictures, *made)], axis=1)
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
    if not sampler.label_space.layout.width:
        raise UserError("labels: this generator has no labels (conditioning.labels is none), so none can be moved.")
    course = places(len(stops), steps, closed)
    conditions = [mixture(sampler.label_space, stops[at.before], stops[at.after], at.share) for at in course]
    condition = Condition(
        *(rearrange(torch.stack(part), "times rows n -> (rows times) n") for part in zip(*conditions, strict=True))
    )
    images = sampler.images_under(repeat(z, "rows z -> (rows times) z", times=len(course)), condition)
    heads = [f"{at.share:.0%}" if at.share else names[at.before] for at in course]
    captions = [
        f"{names[at.before]} to {names[at.after]}: {at.share:.0%}" if at.share else names[at.before] for at in course
    ]
    cells: NDArray[np.uint8] = rearrange(images, "(rows times) c h w -> rows times h w c", rows=len(z)).numpy()
    return Slider(cells, heads, captions)


def _colour(images: Tensor) -> NDArray[np.uint8]:
    """(P, C, H, W) -> (P, H, W, 3)."""
    found: NDArray[np.uint8] = rearrange(images.expand(-1, 3, -1, -1), "p c h w -> p h w c").numpy()
    return found
