"""The contracts of conditioning: what a label space offers, and what a way into a network is.

A *condition* is what a network receives for a label. It has one of two forms, and every layer here takes both:

- int64 `(B,)`: the index of the one that is 1 in a one-hot vector of length N, never materialized;
- float `(B, N)`: any real vector of length N (multi-hot bits, a mixture of two classes, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


class LabelSpace(Protocol):
    """A set of labels: encodes, checks, names and parses them. Plain Python, no parameters."""

    width: int
    """N: the length of the condition as a vector."""
    names: Sequence[str]
    """A name for each label that a grid can show."""

    def check(self, labels: Tensor, where: str) -> None:
        """Raises UserError, beginning with `where`, if any label is outside the space."""

    def encode(self, labels: Tensor) -> Tensor:
        """Turns labels as stored into a condition (see the module's docstring)."""

    def parse(self, text: str) -> Tensor:
        """Turns what a person types (`0,3,sneaker`) into labels; raises UserError with the close match."""

    def grid(self, count: int) -> Tensor:
        """Returns at most `count` different labels, the columns of a sample grid."""


def condition_product(condition: Tensor, weight: Tensor) -> Tensor:
    """Multiplies a condition, as a vector, with a matrix: a row look-up where the condition is an index.

    Args:
        condition: (B,) int64 or (B, N) float.
        weight: (N, F).

    Returns:
        (B, F).
    """
    if condition.is_floating_point():
        return condition.to(weight.dtype) @ weight
    return F.embedding(condition, weight)


def as_vector(condition: Tensor, width: int) -> Tensor:
    """Materializes a condition as (B, N) float; only the literal reference forms need it."""
    if condition.is_floating_point():
        return condition
    return F.one_hot(condition, width).float()
