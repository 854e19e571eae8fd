"""Way into a generator `embedding`: a learned vector for the condition, concatenated with z."""

from __future__ import annotations

from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.generator.base import GeneratorWay
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.config.values import Count, Positive


class Embedding(GeneratorWay):
    """`Linear([z ; E condition])` with E learned: classes that look alike can come to lie close to each other.

    Args:
        layout: of the condition.
        latent_dim: Z.
        dim: length of the vector.
        std: of its entries at the start.
    """

    def __init__(self, layout: Layout, latent_dim: int, dim: Count = 128, std: Positive = 1.0) -> None:
        super().__init__(layout, latent_dim)
        self.joins_reals = dim
        self.table = ConditionLinear(layout, dim, std)

    def embed(self, condition: Condition) -> Tensor:
        """A condition -> (B, dim)."""
        return self.table(condition)  # type: ignore[no-any-return]
