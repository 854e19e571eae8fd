"""The nearest of many vectors, found exactly and in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

QUERIES, BASE = 256, 16_384
"""Rows of one block; 33 MB of distances at a time."""


def nearest(queries: Tensor, base: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Finds the k rows of `base` nearest to each query, by Euclidean distance.

    Args:
        queries: (N, F) float.
        base: (M, F) float, on the same device; M >= k.
        k: how many.

    Returns:
        Distances (N, k) float64, ascending and exactly 0 for a copy; and the rows' numbers (N, k) int64.
    """
    found = [_of_block(block.double(), base, k) for block in queries.split(QUERIES)]
    distances, numbers = (torch.cat(column) for column in zip(*found, strict=True))
    return distances, numbers


def _of_block(queries: Tensor, base: Tensor, k: int) -> tuple[Tensor, Tensor]:
    squares = torch.empty(len(queries), 0, dtype=torch.float64, device=queries.device)
    numbers = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for first in range(0, len(base), BASE):
        block = base[first : first + BASE].double()
        own = block.square().sum(1) - 2 * queries @ block.T  # the query's own square is the same for all
        squares = torch.cat([squares, own], dim=1)
        these = torch.arange(first, first + len(block), device=queries.device).expand(len(queries), -1)
        numbers = torch.cat([numbers, these], dim=1)
        squares, kept = squares.topk(min(k, squares.shape[1]), largest=False)
        numbers = numbers.gather(1, kept)
    differences = queries[:, None] - base[numbers].double()  # what the product of large numbers has rounded away
    distances, order = differences.norm(dim=2).sort(dim=1, stable=True)
    return distances, numbers.gather(1, order)
