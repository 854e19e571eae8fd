"""Way into a generator `concat`: z and the condition, concatenated, through one linear layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.base import as_vector, condition_product


class LatentConcat(nn.Linear):
    """`Linear([z ; condition])` without the concatenation: `W_z z + W_c condition + b`.

    The parameters are those of `nn.Linear(latent_dim + condition_width, out_features)`, so state dicts interchange.
    The two forms are equal up to rounding; the cost of the fused one does not depend on the condition's width.

    Args:
        latent_dim: Z.
        condition_width: N, the condition's length.
        out_features: F.
        literal: concatenate for real; the reference that tests compare with.
    """

    def __init__(self, latent_dim: int, condition_width: int, out_features: int, literal: bool = False) -> None:
        super().__init__(latent_dim + condition_width, out_features)
        self.latent_dim = latent_dim
        self.condition_width = condition_width
        self.literal = literal

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]
        """(B, Z) and a condition -> (B, F)."""
        if self.literal:
            vector = as_vector(condition, self.condition_width).to(z)
            return F.linear(torch.cat([z, vector], dim=1), self.weight, self.bias)
        weight_z, weight_condition = self.weight.split([self.latent_dim, self.condition_width], dim=1)
        return F.linear(z, weight_z, self.bias) + condition_product(condition, weight_condition.T)
