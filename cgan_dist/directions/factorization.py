"""Closed-form factorization: the directions that a generator's first layer amplifies most.

Shen and Zhou 2021, arXiv:2007.06600: with y = A z + b a step n of z adds A n, whatever z is. So the unit vectors that
change y most are the eigenvectors of A^T A with the largest eigenvalues. No data and no image is looked at.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.generator.base import StyleMaps
from cgan_dist.conditioning.latent_concat import LatentConcat
from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError


def first_layers(generator: nn.Module) -> Tensor:
    """(F, Z) float64 on the CPU: the weights of every layer that takes z, one below the other, without the label's.

    Those are what `ways.linear` makes, and what maps a style to gains and shifts where a way puts z into it.

    Raises:
        UserError: if there is none, as in a plug-in that builds its first layer by itself.
    """
    parts: list[Tensor] = []
    for module in generator.modules():
        if isinstance(module, LatentConcat):
            parts.append(module.latent_weight)
        if isinstance(module, StyleMaps):
            parts += module.latent_weights()
    if not parts:
        raise UserError(
            f"directions: {type(generator).__name__} has no layer for z that was made by `ways.linear`, so there is no "
            "weight to factorize. Look for labels alone: --factors 0 --read all."
        )
    return torch.cat([part.detach().to("cpu", torch.float64) for part in parts])


def factorized(matrix: Tensor, count: int) -> Directions:
    """The strongest directions of (F, Z), at most `count` of Z, strongest first.

    The sign of each is that of its largest entry, so that it is always the same. Directions that are equally strong are
    no more than some of many: any turn of them among each other would do.

    Returns:
        Named `factor 1`, `factor 2` and so on; a strength is its eigenvalue's share of the sum of all.
    """
    values, vectors = torch.linalg.eigh(matrix.T @ matrix)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1).T
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    vectors = vectors * largest.sign()
    shares = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    return Directions(
        names=[f"factor {number + 1}" for number in range(min(count, len(vectors)))],
        vectors=vectors[:count].float(),
        strengths=shares[:count].float(),
    )
