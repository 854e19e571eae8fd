"""`Linear([z ; condition])` without the concatenation, at a cost that does not depend on the number of classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.linear import ConditionLinear, present_as_one


class LatentConcat(nn.Module):
    """First layer of G: `W_z z + W_c condition + b`.

    The state dict is that of `nn.Linear(latent_dim + N, out_features)`, z first, so the two interchange. In memory the
    condition's columns are the rows of a table of their own: a look-up and its gradient touch the batch's rows only.

    Args:
        latent_dim: Z.
        layout: of the condition; N is its width, and may be 0.
        out_features: F.
        literal: concatenate for real; the reference that tests compare with.
    """

    def __init__(self, latent_dim: int, layout: Layout, out_features: int, literal: bool = False) -> None:
        super().__init__()
        self.latent_dim, self.width, self.literal = latent_dim, layout.width, literal
        self.latent_weight = nn.Parameter(torch.empty(out_features, latent_dim))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.share = ConditionLinear(layout, out_features, used_whole=literal) if layout.width else None
        present_as_one(self, "latent_weight")
        nn.init.xavier_uniform_(matrix := torch.empty(out_features, latent_dim + layout.width))
        self.assign(matrix)

    def forward(self, z: Tensor, joined: Condition) -> Tensor:
        """(B, Z) and what is joined to it -> (B, F)."""
        if self.literal:
            return F.linear(torch.cat([z, joined.vector(self.width).to(z)], dim=1), self.joined_weight(), self.bias)
        features = F.linear(z, self.latent_weight, self.bias)
        return features if self.share is None else (features + self.share(joined)).to(features.dtype)

    def joined_weight(self) -> Tensor:
        """(F, Z + N): the weight of the equal `nn.Linear`."""
        return self.joined(self.latent_weight, None if self.share is None else self.share.matrix())

    @torch.no_grad()
    def assign(self, weight: Tensor) -> None:
        """Takes (F, Z + N), the weight of the equal `nn.Linear`."""
        own, matrix = self.cut(weight)
        self.latent_weight.copy_(own)
        if self.share is not None:
            self.share.assign(matrix)

    def joined(self, own: Tensor, matrix: Tensor | None) -> Tensor:
        """(F, Z) and the table (N, F) -> (F, Z + N)."""
        return own if matrix is None else torch.cat([own, matrix.T], dim=1)

    def cut(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(F, Z + N) -> (F, Z) and the table (N, F)."""
        return weight[:, : self.latent_dim], weight[:, self.latent_dim :].T
