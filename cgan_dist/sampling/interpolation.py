"""Ways between several points: between vectors z on the sphere or in the cube they come from, and the stops of a way.

Nothing here knows of labels or generators.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.randomness import Latent

DEVIATIONS: dict[Latent, float] = {"normal": 1.0, "uniform": 3**-0.5}
"""Of an entry of z."""
SMALL_ANGLE = 1e-4
"""Radians; below it, and as near to the opposite direction, the spherical formula divides by nearly nothing."""


class Place(NamedTuple):
    """A place on a way: `share` of the leg from the stop `before` to the stop `after`, which are numbers."""

    before: int
    after: int
    share: float


def places(stops: int, steps: int, closed: bool) -> list[Place]:
    """Divides a way from stop to stop evenly.

    Args:
        stops: how many; at least one.
        steps: places on each leg, both of its stops included; at least two.
        closed: go back to the first stop, which is not repeated at the end: a film of it has no seam.

    Returns:
        In order, each stop once; a single stop is one place.
    """
    legs = stops if closed and stops > 1 else stops - 1
    found = [Place(leg, (leg + 1) % stops, step / (steps - 1)) for leg in range(legs) for step in range(steps - 1)]
    return found if closed and stops > 1 else [*found, Place(stops - 1, stops - 1, 0.0)]


def between(one: Tensor, other: Tensor, share: float | Tensor, latent: Latent) -> Tensor:
    """(..., Z) and (..., Z) -> what lies `share` of the way from one to the other; a share for all, or (..., 1).

    Of a normal z, whose length is nearly always about sqrt(Z), a straight line would pass through vectors that are too
    short to have been trained on; so the way is an arc (Shoemake 1985; White 2016, arXiv:1609.04468). Of a uniform z
    it is straight, and stays in the cube.
    """
    straight = torch.lerp(one, other, share)
    if latent == "uniform":
        return straight
    cosine = torch.nn.functional.cosine_similarity(one.double(), other.double(), dim=-1).clamp(-1, 1)
    angle = cosine.arccos()[..., None]
    arc = (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other) / torch.sin(angle)
    return torch.where(torch.sin(angle) > SMALL_ANGLE, arc.to(one.dtype), straight)


def along(z: Tensor, direction: Tensor, deviations: float, latent: Latent) -> Tensor:
    """(..., Z), moved along a unit vector (Z,) by so many standard deviations of an entry; no entry leaves the cube.

    A normal z is left as long as it comes out: some deviations are little beside its length, sqrt(Z).
    """
    moved = z + deviations * DEVIATIONS[latent] * direction
    return moved.clamp(-1, 1) if latent == "uniform" else moved


def way(stops: Tensor, steps: int, closed: bool, latent: Latent) -> Tensor:
    """(S, ..., Z), the stops -> (T, ..., Z), all `places` of the way."""
    return torch.stack(
        [
            between(stops[place.before], stops[place.after], place.share, latent)
            for place in places(len(stops), steps, closed)
        ]
    )
