"""What every way of finding directions returns: unit vectors in z, each with a name and a figure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Directions:
    """D directions in z.

    Attributes:
        names: of each, for a person.
        vectors: (D, Z) float32 of length 1.
        strengths: (D,) float32 in 0..1, each a share of what its way looks at: of a factor, of all that the first layer
            makes of z; of a label, of the variance of its reading.
    """

    names: list[str]
    vectors: Tensor
    strengths: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def __add__(self, other: Directions) -> Directions:
        return Directions(
            names=[*self.names, *other.names],
            vectors=torch.cat([self.vectors, other.vectors]),
            strengths=torch.cat([self.strengths, other.strengths]),
        )

    def first(self, count: int) -> Directions:
        """At most so many of them."""
        return Directions(names=self.names[:count], vectors=self.vectors[:count], strengths=self.strengths[:count])
