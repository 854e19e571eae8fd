"""What directions in z do: one row after the other moved along them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange, repeat
from PIL import Image
from torch import Tensor

from cgan_dist.grid import draw_grid
from cgan_dist.sampling.interpolation import along
from cgan_dist.sampling.sampler import Sampler


def draw_directions(
    sampler: Sampler, names: Sequence[str], vectors: Tensor, labels: Tensor, steps: int, reach: float
) -> Image.Image:
    """Moves one z along each direction, under each of some labels.

    Args:
        sampler: of the generator; the z is that of the first row of `sample --z fixed`.
        names: of the directions.
        vectors: (D, Z) of length 1.
        labels: of the space; each direction has a row for each of them.
        steps: columns.
        reach: how far the first and the last column are from z, in standard deviations of z.

    Returns:
        A grid; an odd number of columns has z itself in the middle.
    """
    amounts = torch.linspace(-reach, reach, steps)
    z = sampler.latents(1, "fixed_z")
    moved = torch.cat([along(z, vector, float(amount), sampler.latent) for vector in vectors for amount in amounts])
    rows = repeat(moved, "(d t) z -> (d k t) z", t=steps, k=len(labels))
    given = labels.repeat_interleave(steps, dim=0).repeat(len(vectors), *(1 for _ in labels.shape[1:]))
    images = sampler.images(rows, given)
    cells = rearrange(images, "(rows t) c h w -> rows t h w c", t=steps).numpy()
    said = sampler.label_space.describe(labels)
    row_names = [f"{name}: {label}" if label else name for name in names for label in said]
    return draw_grid(cells, [f"{amount:+.2g}" if amount else "z" for amount in amounts.tolist()], row_names)
