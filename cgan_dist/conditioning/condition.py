"""What a network receives for a label: a vector of length N, of which the one-hot part is never materialized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """What the entries of a condition are, in this order.

    Attributes:
        classes: sizes of one-hot groups; in each, exactly one entry is 1.
        bits: entries that are 0 or 1, any number of them 1.
        reals: entries of a label's real values, in [-1, 1].
        learned: real entries that a network makes itself, such as an embedding of the label, or z.
    """

    classes: tuple[int, ...] = ()
    bits: int = 0
    reals: int = 0
    learned: int = 0

    @property
    def one_hot(self) -> int:
        """Entries in one-hot groups; they come first."""
        return sum(self.classes)

    @property
    def values(self) -> int:
        """Entries after the one-hot groups."""
        return self.bits + self.reals + self.learned

    @property
    def width(self) -> int:
        """N: all entries."""
        return self.one_hot + self.values

    def plus_reals(self, count: int) -> Layout:
        """This layout with so many more real entries at its end, which a network makes itself."""
        return replace(self, learned=self.learned + count)


class Condition(NamedTuple):
    """A batch of vectors of length N: ones at `ones`, `values` in the last V entries, zero elsewhere.

    A label is encoded with V = `Layout.values`; a mixture of labels, for instance halfway between two classes, has no
    ones of its own and V = N. Layers take both.

    Attributes:
        ones: (B, K) int64, where in the vector the 1 of each one-hot group is.
        values: (B, V) float32.
    """

    ones: Tensor
    values: Tensor

    @classmethod
    def of_values(cls, values: Tensor) -> Condition:
        """(B, V) float -> a condition without one-hot groups, or the mixture that a whole vector is."""
        return cls(torch.empty(len(values), 0, dtype=torch.int64, device=values.device), values)

    @classmethod
    def of_classes(cls, labels: Tensor) -> Condition:
        """(B,) int64 -> a condition of one one-hot group."""
        return cls(labels[:, None], torch.empty(len(labels), 0, device=labels.device))

    def chunk(self, count: int) -> list[Condition]:
        """Splits the batch into `count` equal parts, as `torch.chunk`."""
        return [Condition(*part) for part in zip(self.ones.chunk(count), self.values.chunk(count), strict=True)]

    def plus_reals(self, reals: Sequence[Tensor]) -> Condition:
        """Appends (B, R) tensors to the values; the layout's `plus_reals` says so."""
        return Condition(self.ones, torch.cat([self.values, *reals], dim=1)) if reals else self

    def vector(self, width: int) -> Tensor:
        """Materializes (B, N) float; what is large in N, so only reference forms and mixtures do it."""
        vector = F.pad(self.values, (width - self.values.shape[1], 0))
        for column in range(self.ones.shape[1]):
            vector = vector + F.one_hot(self.ones[:, column], width).to(vector.dtype)
        return vector


def mixed(one: Condition, other: Condition, share: float, width: int) -> Condition:
    """The condition `share` of the way from one to the other, entry by entry."""
    return Condition.of_values(torch.lerp(one.vector(width), other.vector(width), share))
