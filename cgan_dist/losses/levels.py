"""Losses and noise for generators that show several levels of one picture, the picture itself as the last."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR, BASE = 0.01, 0.125
"""Noise of the last level; and that a first one, between none of the picture and all of it, has 1 - 0.125 of it."""


def noise_levels(levels: int) -> list[float]:
    """How much of each level is noise, by arXiv:2509.24935: .885, .76, .51 and .01 of four.

    Args:
        levels: L; a single level is the last.
    """
    return [1 - BASE ** (1 - level / (levels - 1)) + FLOOR for level in range(levels)] if levels > 1 else [FLOOR]


def guided(stack: Tensor, noise: Tensor, levels: int) -> Tensor:
    """Multi-level noise guidance: level i becomes (1 - t_i) x + t_i e, t being `noise_levels`.

    What a level has of noise, the noisier ones before it have too, and more: e of level i is made of the noise of the
    levels from i on, so that its variance is 1 whatever i is.

    Args:
        stack: (B, L * C, H, W), the levels of pictures.
        noise: of its shape, standard normal.
        levels: L.

    Returns:
        (B, L * C, H, W).
    """
    kept, shares = _shares(levels, stack.dtype, stack.device)
    split = noise.to(stack.dtype).unflatten(1, (levels, -1)) * shares
    shown: Tensor = stack.unflatten(1, (levels, -1)) * kept + split.flip(1).cumsum(1).flip(1)
    return shown.flatten(1, 2)


@functools.cache
def _shares(levels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What is kept of each level, and the share of its own noise in it and in those before it: (2, L, 1, 1, 1).

    Once for each device, since a copy to it takes the host longer than all that is done with it.
    """
    t = torch.tensor([*noise_levels(levels), 0.0], dtype=torch.float64)
    shares = (t[:-1].square() - t[1:].square()).sqrt()
    return torch.stack([1 - t[:-1], shares])[..., None, None, None].to(device, dtype)


def inconsistency(stack: Tensor, levels: int) -> Tensor:
    """Mean squared distance of the levels before the last from it, each at the size that CAT judges it at.

    Level i is compared at 1 / 2^(L - 1 - i) of the size (arXiv:2605.26449: the last level is the anchor; so the
    gradient reaches the others only).

    Args:
        stack: (B, L * C, H, W), the levels of pictures.
        levels: L, at least 2.

    Returns:
        Scalar.
    """
    *others, last = stack.chunk(levels, dim=1)
    distances = []
    for level, other in enumerate(others):
        distance = other - last.detach()
        for _ in range(levels - 1 - level):
            distance = F.avg_pool2d(distance, 2, ceil_mode=True)
        distances.append(distance.square().mean())
    return torch.stack(distances).mean()
