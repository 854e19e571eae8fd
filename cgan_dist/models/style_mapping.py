"""From z and what ways join to it to a style, for networks that have one (Karras et al. 2019, arXiv:1812.04948)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.models.initialization import scaled_entry_

EPSILON = 1e-8


class StyleMapping(nn.Module):
    """[z / rms(z) ; condition ; learned values / their rms] -> linear -> SiLU -> linear.

    It is meant to learn more slowly than the rest: `optim.multipliers: {mapping: 0.01}`.

    Args:
        latent_dim: Z.
        ways: whatever they join is joined here.
        width: of the style.
    """

    def __init__(self, latent_dim: int, ways: GeneratorWays, width: int) -> None:
        super().__init__()
        self.latent_dim, self.layout = latent_dim, ways.joined_layout
        self.entry = ways.linear(width)
        self.layer = nn.Linear(width, width)

    def initialize_(self) -> None:
        """Begins with styles of about unit size, in place; after all linear layers have been initialized."""
        scaled_entry_(self.entry, self.latent_dim, self.layout)

    def forward(self, z: Tensor, joined: Condition) -> Tensor:
        """(B, Z) and what is joined to it -> (B, width)."""
        values = joined.values
        if learned := self.layout.learned:
            own, made = values.split([values.shape[1] - learned, learned], dim=1)
            values = torch.cat([own, of_unit_size(made)], dim=1)
        hidden = F.silu(self.entry(of_unit_size(z), Condition(joined.ones, values)))
        return self.layer(hidden)  # type: ignore[no-any-return]

    def mean_of(self, z: Tensor, joined: Condition) -> Tensor:
        """(K, Z) and what is joined to B others -> (B, width): for each of the B, the mean of its K styles."""
        rows = torch.cat([joined.ones.to(joined.values.dtype), joined.values], dim=1)
        _, number = (
            rows.unique(dim=0, return_inverse=True) if rows.shape[1] else (rows, rows.new_zeros(len(rows)).long())
        )
        firsts = [int((number == label).nonzero()[0]) for label in range(int(number.max()) + 1)]
        means: Tensor = torch.stack([self(z, _all_of(joined, first, len(z))).mean(0) for first in firsts])
        return means[number]


def of_unit_size(values: Tensor) -> Tensor:
    """(B, Z) -> (B, Z) / its root mean square."""
    return F.rms_norm(values, values.shape[1:], None, EPSILON)


def _all_of(joined: Condition, row: int, count: int) -> Condition:
    """One condition of a batch, so many times."""
    return Condition(*(part[row].expand(count, -1) for part in joined))
