"""Way into a discriminator `channels`: the condition as constant planes beside the image's channels."""

from __future__ import annotations

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay


class Channels(DiscriminatorWay):
    """One plane for each entry of the condition, the original program's trick; exact and fused.

    Args:
        layout: of the condition.
        literal: build the planes and convolve them; equal, for comparison.
    """

    def __init__(self, layout: Layout, literal: bool = False) -> None:
        super().__init__(layout)
        self.joins_condition, self.literal = True, literal
