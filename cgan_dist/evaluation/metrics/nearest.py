"""The nearest of many vectors, found exactly and in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.evaluation.metrics.base import CPU
from cgan_dist.evaluation.metrics.distances import lowest

QUERIES = 256
"""Vectors whose differences from their nearest are held at once: 4 MiB for each of these at 2,048 features."""


def nearest(queries: Tensor, base: Tensor, k: int = 1, device: torch.device = CPU) -> tuple[Tensor, Tensor]:
    """Finds the k rows of `base` nearest to each query, by Euclidean distance.

    Args:
        queries: (N, F) float, on any device.
        base: (M, F) float, on the same one; M >= k.
        k: how many.
        device: where they are sought, a block at a time; it has float64.

    Returns:
        Distances (N, k) float64, ascending and exactly 0 for a copy; and the rows' numbers (N, k) int64; on the CPU.
    """
    numbers = lowest(queries, base, k, device).numbers
    parts = zip(queries.split(QUERIES), numbers.to(base.device).split(QUERIES), strict=True)
    distances = torch.cat([_exact(own, base[its], device) for own, its in parts])
    distances, order = distances.sort(dim=1, stable=True)
    return distances.cpu(), numbers.gather(1, order).cpu()


def _exact(queries: Tensor, found: Tensor, device: torch.device) -> Tensor:
    """(n, F) and (n, k, F) -> (n, k): what the product of large numbers has rounded away is there again."""
    return (queries.to(device, torch.float64)[:, None] - found.to(device, torch.float64)).norm(dim=2)  # type: ignore[no-any-return]
