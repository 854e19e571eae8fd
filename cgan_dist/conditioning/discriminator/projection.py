"""Way into a discriminator `projection`: the features' inner product with a vector of the condition."""

from __future__ import annotations

from torch import Tensor, nn

from cgan_dist.bounds import BLOCKS
from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.config.values import Count, Positive, WholeNumber


class Projection(DiscriminatorWay):
    """Adds `<E condition, features>` to the logit (Miyato and Koyama 2018, arXiv:1802.05637, eq. 3).

    For bits it is the sum over the attributes that an image has; for real values the product is linear in them. With
    `dim` it is `<m(E condition), W features>`, m an MLP of so many `layers`, as in arXiv:2509.24935.

    Args:
        layout: of the condition.
        dim: length of both vectors; null is that of the features, which then are taken as they are.
        layers: linear layers between the table and the product, with SiLU between them.
        std: of the entries of E at the start; null is 1 / sqrt(length).

    Raises:
        UserError: for more layers than any network has.
    """

    def __init__(
        self, layout: Layout, dim: Count | None = None, layers: WholeNumber = 0, std: Positive | None = None
    ) -> None:
        super().__init__(layout)
        BLOCKS.check(layers, "conditioning.discriminator: projection.layers")
        self.dim, self.layers, self.std = dim, layers, std

    def logit(self, features: int) -> nn.Module:
        """(B, F) and a condition -> (B,)."""
        return InnerProduct(self.layout, features, self.dim, self.layers, self.std)


class InnerProduct(nn.Module):
    """<m(E condition), W features>, of about unit size at the start; m and W may be the identity.

    Args:
        layout: of the condition.
        features: F.
        dim: length of both vectors; null is F and no W.
        layers: of m.
        std: of the entries of E at the start; null is 1 / sqrt(length).
    """

    def __init__(
        self, layout: Layout, features: int, dim: int | None = None, layers: int = 0, std: float | None = None
    ) -> None:
        super().__init__()
        length = dim or features
        self.table = ConditionLinear(layout, length, std=std or length**-0.5)
        inner = [nn.Sequential(nn.SiLU(), nn.Linear(length, length)) for _ in range(layers - 1)]
        self.mapping = nn.Sequential(*([nn.Linear(length, length), *inner] if layers else []))
        self.features = nn.Linear(features, length) if dim else nn.Identity()

    def forward(self, features: Tensor, condition: Condition) -> Tensor:
        """(B, F) and a condition -> (B,)."""
        return (self.mapping(self.table(condition)) * self.features(features)).sum(1)  # type: ignore[no-any-return]
