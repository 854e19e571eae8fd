"""Which real images belong under the columns of a sample grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.labels import Labels


def columns_of_space(space: LabelSpace, columns: Tensor) -> list[Callable[[Labels], NDArray[np.bool_]]]:
    """For each label of a grid, what tells which stored labels belong under it.

    Those do that have its classes and bits, and real values nearer to its own than to those of the other columns.
    """
    return [partial(_belongs, space=space, columns=columns, column=column) for column in range(len(columns))]


def _belongs(stored: Labels, space: LabelSpace, columns: Tensor, column: int) -> NDArray[np.bool_]:
    own, asked = space.encode(space.select(torch.tensor(stored))), space.encode(columns)
    own_bits, own_reals = _cut(own, space)
    bits, reals = _cut(asked, space)
    same = (own.ones[:, None] == asked.ones).all(2) & (own_bits[:, None] == bits).all(2)
    fits = same[:, column]
    if space.layout.reals:
        distances = (own_reals[:, None] - reals).square().sum(2).masked_fill(~same, torch.inf)
        fits = fits & (distances.argmin(1) == column)
    found: NDArray[np.bool_] = fits.numpy()
    return found


def _cut(condition: Condition, space: LabelSpace) -> tuple[Tensor, Tensor]:
    return condition.values[:, : space.layout.bits], condition.values[:, space.layout.bits :]
