"""Way into a generator `film`: the condition scales and shifts features; after batch norm, conditional batch norm."""

from __future__ import annotations

from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.generator.base import GeneratorWay
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.config.values import Count


class Film(GeneratorWay):
    """Conditional batch norm where there is batch norm (arXiv:1707.00683), FiLM elsewhere (arXiv:1709.07871).

    Args:
        layout: of the condition.
        latent_dim: Z.
        dim: length of an embedding that all layers share, as in BigGAN (arXiv:1809.11096); null gives each layer a
            table of its own, as in SNGAN's projection model (arXiv:1802.05637).
        latent: z modulates too, beside the condition.
    """

    def __init__(self, layout: Layout, latent_dim: int, dim: Count | None = None, latent: bool = False) -> None:
        super().__init__(layout, latent_dim)
        self.shared = ConditionLinear(layout, dim) if dim else None
        self.latent = self.modulates_by_latent = latent
        self.styles = (Layout(learned=dim) if dim else layout).plus_reals(latent_dim if latent else 0)

    def style(self, z: Tensor, condition: Condition) -> Condition:
        """(B, Z) and a condition -> what gains and shifts are linear in."""
        style = condition if self.shared is None else Condition.of_values(self.shared(condition))
        return style.plus_reals([z] if self.latent else [])
