"""Sliders: the label itself moved from one to another, with z held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, repeat
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, mixed
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.grid import captioned, draw_grid
from cgan_dist.labels import ContinuousLabels, LabelSchema, ProductLabels
from cgan_dist.pictures.film import Film
from cgan_dist.sampling.interpolation import Place, places
from cgan_dist.sampling.sampler import Sampler

FILM_COLUMNS = 8


class Slider(NamedTuple):
    """What a slider shows: (rows, T, H, W, C) uint8, and for each of T places a head and a longer caption."""

    cells: NDArray[np.uint8]
    heads: list[str]
    captions: list[str]

    def picture(self) -> Image.Image:
        """A row for each z, a column for each place."""
        return draw_grid(self.cells, self.heads)

    def film(self, fps: float) -> Film:
        """All z's side by side, one place after the other."""
        return Film(count=len(self.heads), frame=self._frame, fps=fps)

    def _frame(self, time: int) -> Image.Image:
        images = self.cells[:, time]
        columns = min(len(images), FILM_COLUMNS)
        missing = -len(images) % columns
        blank = np.full((missing, *images.shape[1:]), 255, np.uint8)
        cells = rearrange(
            np.concatenate([images, blank]), "(rows columns) h w c -> rows columns h w c", columns=columns
        )
        return captioned(draw_grid(cells, [""] * columns), self.captions[time], self.captions)


def draw_slider(
    sampler: Sampler, labels: Tensor, rows: int, steps: int, closed: bool, z: Tensor | None = None
) -> Slider:
    """Moves the label from the first of `labels` to the next and so on, for the z's that fixed grids have.

    Classes and attributes are mixed: the condition moves in a straight line, entry by entry. Of a real value it is the
    value that moves.

    Args:
        sampler: of the generator.
        labels: of the space; the stops, two or more.
        rows: z's.
        steps: images from one label to the next, both included.
        closed: go back to the first label.
        z: (rows, Z), others than those of fixed grids.

    Raises:
        UserError: if there are no labels to move between.
    """
    space = sampler.label_space
    check_movable(space)
    if len(labels) < 2:
        raise UserError(f"labels: found one, {space.describe(labels)[0]}; expected two or more to move between.")
    course = places(len(labels), steps, closed)
    z = sampler.latents(rows, "fixed_z") if z is None else z
    stops = [label.expand(rows, *label.shape) for label in labels]
    return Slider(
        moved_cells(sampler, z, stops, course),
        *map(list, zip(*(_named(space, labels, at) for at in course), strict=True)),
    )


def check_movable(space: LabelSpace) -> None:
    """Raises UserError if there are no labels to move between."""
    if not space.layout.width:
        raise UserError("labels: this generator has no labels (conditioning.labels is none), so none can be moved.")


def moved_cells(sampler: Sampler, z: Tensor, stops: Sequence[Tensor], course: Sequence[Place]) -> NDArray[np.uint8]:
    """(rows, Z), and stops of (rows,) or (rows, W) labels each -> (rows, T, H, W, C), an image for each place."""
    conditions = [mixture(sampler.label_space, stops[at.before], stops[at.after], at.share) for at in course]
    condition = Condition(
        *(rearrange(torch.stack(part), "times rows n -> (rows times) n") for part in zip(*conditions, strict=True))
    )
    images = sampler.images_under(repeat(z, "rows z -> (rows times) z", times=len(course)), condition)
    cells: NDArray[np.uint8] = rearrange(images, "(rows times) c h w -> rows times h w c", rows=len(z)).numpy()
    return cells


def mixture(space: LabelSpace, one: Tensor, other: Tensor, share: float) -> Condition:
    """The condition `share` of the way from labels (B,) or (B, W) to others, without one-hot groups."""
    ends = [space.encode(_moved(space.schema, one, other, share, end)) for end in (one, other)]
    return mixed(ends[0], ends[1], share, space.layout.width)


def _moved(schema: LabelSchema, one: Tensor, other: Tensor, share: float, end: Tensor) -> Tensor:
    """One of both labels, with its real values where they are `share` of the way."""
    if isinstance(schema, ContinuousLabels):
        return torch.lerp(one, other, share)
    if not isinstance(schema, ProductLabels):
        return end
    moved = end.clone()
    for part, columns in zip(schema.parts, schema.columns, strict=True):
        if isinstance(part, ContinuousLabels):
            moved[:, columns] = torch.lerp(one[:, columns], other[:, columns], share)
    return moved


def _named(space: LabelSpace, labels: Tensor, at: Place) -> tuple[str, str]:
    """A head and a caption."""
    one, other = labels[[at.before]], labels[[at.after]]
    if isinstance(space.schema, ContinuousLabels):
        name = space.describe(torch.lerp(one, other, at.share))[0]
        return name, name
    before, after = space.describe(torch.cat([one, other]))
    if not at.share:
        return before, before
    return f"{at.share:.0%}", f"{before} to {after}: {at.share:.0%}"
