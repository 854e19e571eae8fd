"""Way into a discriminator `embedding_channels`: a learned vector for the condition, as constant planes."""

from __future__ import annotations

from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.config.values import Count


class EmbeddingChannels(DiscriminatorWay):
    """Planes that hold the entries of `E condition`, with E learned.

    Args:
        layout: of the condition.
        dim: number of planes.
    """

    def __init__(self, layout: Layout, dim: Count = 16) -> None:
        super().__init__(layout)
        self.joins_reals = dim
        self.table = ConditionLinear(layout, dim)

    def embed(self, condition: Condition) -> Tensor:
        """A condition -> (B, dim)."""
        return self.table(condition)  # type: ignore[no-any-return]
