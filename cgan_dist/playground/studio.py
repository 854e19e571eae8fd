"""The requests that the playground answers with pictures, each bounded whatever a page or a program asks for."""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError
from cgan_dist.grid import draw_grid
from cgan_dist.labels import ClassLabels, Labels
from cgan_dist.pictures.sliders import mixture
from cgan_dist.playground.controls import label_of, number_within
from cgan_dist.playground.variations import Variations, variations_of
from cgan_dist.sampling.interpolation import along
from cgan_dist.sampling.sampler import Sampler

MAX_IMAGES = 64
MAX_SEED = 2**31 - 1
MAX_MOVES, REACH = 5, 3.0
"""Directions that z can be moved along, and how far, in standard deviations of z."""
COLUMNS = 8


class Picture(NamedTuple):
    """An answer: images (N, H, W, C) uint8, the labels asked for, (N,) or (N, W), and a grid of them."""

    images: NDArray[np.uint8]
    labels: Labels
    grid: Image.Image
    class_names: list[str]

    def png(self) -> bytes:
        """The grid as a file."""
        buffer = io.BytesIO()
        self.grid.save(buffer, format="PNG")
        return buffer.getvalue()

    def npz(self) -> bytes:
        """Arrays `images`, `labels` and, for classes, `class_names`: what `cgan-dist generate --format npz` writes."""
        arrays = {"images": self.images, "labels": self.labels}
        if self.class_names:
            arrays["class_names"] = np.array(self.class_names)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


class Studio:
    """Draws what is asked for, the same z for the same seed in every kind of picture.

    A truncation of 0 leaves z as it is. All methods raise UserError for a request that is out of bounds or not of this
    label space.

    Every picture may move z along the first directions, by a value for each of them; without any z stays.

    Args:
        sampler: of the generator; its own seed and truncation are not used.
        directions: in z, of which the first few can be moved along; null for none.
    """

    def __init__(self, sampler: Sampler, directions: Directions | None = None) -> None:
        self.sampler = sampler
        self.space = sampler.label_space
        self.directions = None if directions is None else directions.first(MAX_MOVES)
        sampler.generator.eval()

    @property
    def moves(self) -> list[str]:
        """Names of the directions, one for each value of a move."""
        return [] if self.directions is None else self.directions.names

    def one_label(
        self, values: Sequence[object], count: object, seed: object, truncation: object, *moves: object
    ) -> Picture:
        """Draws `count` z under one label, given by the values of its controls."""
        number, sampler = _count(count), self._sampler(seed, truncation)
        label = label_of(self.space.schema, values)
        labels = label.expand(number, *label.shape[1:]).contiguous()
        return self._in_rows(sampler.images(self._z(sampler, number, moves), labels), labels)

    def every_label(
        self, values: Sequence[object], rows: object, seed: object, truncation: object, *moves: object
    ) -> Picture:
        """Draws `rows` z, each under every variation of a label: a column for each of them."""
        sampler, variations = self._sampler(seed, truncation), self.variations(values)
        number, columns = _count(rows), len(variations.heads)
        if number * columns > MAX_IMAGES:
            raise UserError(
                f"rows: found {number} of {columns} labels, {number * columns} images; expected at most {MAX_IMAGES} "
                f"images, so 1 to {MAX_IMAGES // columns} rows."
            )
        return self._under(sampler, variations, self._z(sampler, number, moves))

    def between(
        self,
        one: Sequence[object],
        other: Sequence[object],
        share: object,
        count: object,
        seed: object,
        truncation: object,
        *moves: object,
    ) -> Picture:
        """Draws `count` z with a condition that lies `share`, 0 to 1, of the way from one label to another."""
        if not self.space.layout.width:
            raise UserError("label: this generator has none (conditioning.labels is none), so there is no way between.")
        part = number_within("share", share, 0, 1)
        number, sampler = _count(count), self._sampler(seed, truncation)
        start, end = (label_of(self.space.schema, values) for values in (one, other))
        condition = mixture(self.space, start, end, part)
        repeated = type(condition)(*(column.repeat(number, 1) for column in condition))
        images = sampler.images_under(self._z(sampler, number, moves), repeated)
        nearest = end if part > 0.5 else start  # a mixture has no label of its own
        return self._in_rows(images, nearest.expand(number, *nearest.shape[1:]))

    def edited(self, values: Sequence[object], z: Tensor, *moves: object) -> Picture:
        """Draws a z that was found, (1, Z), under a label and beside it under every variation of that."""
        sampler = copy.copy(self.sampler)
        sampler.truncate(None)
        own = label_of(self.space.schema, values)
        heads = [name or "now" for name in self.space.describe(own)]
        if self.space.layout.width:
            others = self.variations(values)
            own, heads = torch.cat([own, others.labels[: MAX_IMAGES - 1]]), [*heads, *others.heads[: MAX_IMAGES - 1]]
        return self._under(sampler, Variations(own, heads), self._moved(z, moves))

    def variations(self, values: Sequence[object]) -> Variations:
        """The columns of `every_label`."""
        return variations_of(self.space, label_of(self.space.schema, values), MAX_IMAGES)

    def _under(self, sampler: Sampler, variations: Variations, z: Tensor) -> Picture:
        """A row for each z, a column for each label."""
        cells = sampler.cells(variations.labels, len(z), z)
        labels = torch.cat([variations.labels] * len(z))
        return self._picture(rearrange(cells, "r c h w k -> (r c) h w k"), labels, draw_grid(cells, variations.heads))

    def _z(self, sampler: Sampler, count: int, moves: Sequence[object]) -> Tensor:
        return self._moved(sampler.latents(count, "fixed_z"), moves)

    def _moved(self, z: Tensor, moves: Sequence[object]) -> Tensor:
        """(N, Z), moved along each direction by its value."""
        if not moves:
            return z
        if len(moves) != len(self.moves):
            raise UserError(f"directions: found {len(moves)} values; expected {len(self.moves)}, one for each.")
        amounts = [number_within(name, move, -REACH, REACH) for name, move in zip(self.moves, moves, strict=True)]
        assert self.directions is not None, "there are moves"
        return along(z, torch.tensor(amounts, dtype=torch.float32) @ self.directions.vectors, 1.0, self.sampler.latent)

    def _sampler(self, seed: object, truncation: object) -> Sampler:
        """One for this request alone: requests must not see each other's seeds."""
        sampler = copy.copy(self.sampler)
        sampler.seed = int(number_within("seed", seed, 0, MAX_SEED, whole=True))
        threshold = number_within("truncation", truncation, 0, np.inf)
        sampler.truncate(threshold or None)
        return sampler

    def _in_rows(self, images: Tensor, labels: Tensor) -> Picture:
        """Lays images out, with white where the last row is not full."""
        drawn: NDArray[np.uint8] = rearrange(images, "b c h w -> b h w c").numpy()
        columns = min(len(drawn), COLUMNS)
        white = np.full((-len(drawn) % columns, *drawn.shape[1:]), 255, np.uint8)
        cells = rearrange(np.concatenate([drawn, white]), "(r c) h w k -> r c h w k", c=columns)
        return self._picture(drawn, labels, draw_grid(cells, [""] * columns))

    def _picture(self, images: NDArray[np.uint8], labels: Tensor, grid: Image.Image) -> Picture:
        schema = self.space.schema
        names = list(schema.names) if isinstance(schema, ClassLabels) else []
        return Picture(images, labels.numpy(), grid, names)


def _count(count: object) -> int:
    return int(number_within("images", count, 1, MAX_IMAGES, whole=True))
