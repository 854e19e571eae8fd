"""Way into a generator `concat`: the condition, concatenated with z."""

from __future__ import annotations

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.generator.base import GeneratorWay


class Concat(GeneratorWay):
    """`Linear([z ; condition])`, exact and fused (Mirza and Osindero 2014, arXiv:1411.1784).

    Args:
        layout: of the condition.
        latent_dim: Z.
        literal: concatenate for real; equal, for comparison.
    """

    def __init__(self, layout: Layout, latent_dim: int, literal: bool = False) -> None:
        super().__init__(layout, latent_dim)
        self.joins_condition, self.literal = True, literal
