"""Squared distances between many vectors, in float64 and a block at a time, on the device that is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.evaluation.metrics.base import CPU

ROWS = 2_000
"""Vectors on each side of a block: 31 MiB of distances, and as much of either side at 2,048 features. From 32 MiB on
glibc would map each block anew."""


class Block(NamedTuple):
    """Some queries, some of the base, and (n, m) float64 squared distances between them, on the device."""

    rows: slice
    columns: slice
    squares: Tensor


class Lowest(NamedTuple):
    """(N, k) float64 squared distances of each query from what lies nearest, ascending; and its numbers, (N, k)."""

    squares: Tensor
    numbers: Tensor


def squared_distances(queries: Tensor, base: Tensor, device: torch.device = CPU) -> Iterator[Block]:
    """Goes through all pairs of (N, F) queries and (M, F) base, float, on whichever device they lie."""
    for rows, own in _blocks(queries, device):
        for columns, other in _blocks(base, device):
            yield Block(rows, columns, _squares(own, other))


def lowest(queries: Tensor, base: Tensor, k: int, device: torch.device = CPU) -> Lowest:
    """The k of (M, F) base that are nearest to each of (N, F) queries, k <= M; both stay on the device."""
    found = _empty(len(queries), k, device)
    for block in squared_distances(queries, base, device):
        _keep(found, block)
    return found


def lowest_of_others(values: Tensor, k: int, device: torch.device = CPU) -> Lowest:
    """The same within one set of (N, F), k < N: nothing is near to itself. Each pair is looked at once."""
    found = _empty(len(values), k, device)
    for rows, own in _blocks(values, device):
        for columns, other in _blocks(values[rows.start :], device, rows.start):
            squares = _squares(own, other)
            if rows == columns:
                _keep(found, Block(rows, rows, squares.fill_diagonal_(torch.inf)))
            else:
                _keep(found, Block(rows, columns, squares))
                _keep(found, Block(columns, rows, squares.T))
    return found


def _blocks(values: Tensor, device: torch.device, first: int = 0) -> Iterator[tuple[slice, Tensor]]:
    """Parts in float64, of which no more than one is on the device, and their numbers, counted from `first`."""
    for part in values.split(ROWS):
        yield slice(first, first + len(part)), part.to(device, torch.float64)
        first += len(part)


def _squares(one: Tensor, other: Tensor) -> Tensor:
    return (one.square().sum(1, keepdim=True) + other.square().sum(1) - 2 * one @ other.T).clamp_(min=0)


def _empty(count: int, k: int, device: torch.device) -> Lowest:
    squares = torch.full((count, k), torch.inf, dtype=torch.float64, device=device)
    return Lowest(squares, torch.zeros(count, k, dtype=torch.int64, device=device))


def _keep(found: Lowest, block: Block) -> None:
    """Takes what is lower in a block, in place."""
    rows, columns, squares = block
    near = squares.topk(min(found.squares.shape[1], squares.shape[1]), largest=False)
    both = torch.cat([found.squares[rows], near.values], dim=1)
    numbers = torch.cat([found.numbers[rows], near.indices + columns.start], dim=1)
    order = both.sort(dim=1, stable=True).indices[:, : found.squares.shape[1]]
    found.squares[rows] = both.gather(1, order)
    found.numbers[rows] = numbers.gather(1, order)
