"""Way into a discriminator `projection`: the features' inner product with a vector of the condition."""

from __future__ import annotations

from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay
from cgan_dist.conditioning.linear import ConditionLinear


class Projection(DiscriminatorWay):
    """Adds `<E condition, features>` to the logit (Miyato and Koyama 2018, arXiv:1802.05637, eq. 3).

    For bits it is the sum over the attributes that an image has; for real values the product is linear in them.
    """

    def logit(self, features: int) -> nn.Module:
        """(B, F) and a condition -> (B,)."""
        return InnerProduct(self.layout, features)


class InnerProduct(nn.Module):
    """<E condition, features>, of about unit size at the start.

    Args:
        layout: of the condition.
        features: F.
    """

    def __init__(self, layout: Layout, features: int) -> None:
        super().__init__()
        self.table = ConditionLinear(layout, features, std=features**-0.5)

    def forward(self, features: Tensor, condition: Condition) -> Tensor:
        """(B, F) and a condition -> (B,)."""
        return (self.table(condition) * features).sum(1)  # type: ignore[no-any-return]
