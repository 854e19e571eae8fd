"""Images of which a classifier of any labels can read everything, for tests of metrics."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, ProductLabels

STRIPES = ClassLabels(names=["rows", "columns"])
LIGHTS = AttributeLabels(names=["red", "green"])
LEVEL = ContinuousLabels(names=["blue"], ranges=[(0.0, 10.0)])
ALL = ProductLabels(parts=[STRIPES, LEVEL, LIGHTS])


class Coloured(NamedTuple):
    """Images (N, 3, H, W) uint8 and all of their labels, (N, 4) float32 in the form of `ALL`."""

    images: Tensor
    stored: Tensor


def coloured(count: int, seed: int, size: int = 8) -> Coloured:
    """Striped images: red and green are on or off, blue is as bright as its label says."""
    generator = torch.Generator().manual_seed(seed)
    stripes, red, green = torch.randint(0, 2, (3, count), generator=generator)
    level = torch.rand(count, generator=generator)
    images = torch.randint(0, 40, (count, 3, size, size), generator=generator, dtype=torch.int64)
    images += (100 * torch.stack([red, green, level], dim=1))[:, :, None, None].long()
    images[stripes == 0, :, ::2] += 60
    images[stripes == 1, :, :, ::2] += 60
    return Coloured(images.to(torch.uint8), torch.stack([stripes, 10 * level, red, green], dim=1).float())
