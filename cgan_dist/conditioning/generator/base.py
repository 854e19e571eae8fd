"""The contract of a way into a generator, and several of them as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.latent_concat import LatentConcat
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.conditioning.way import Way, Ways

MODULATION_STD = 0.02
"""Of initial gains and shifts: a network begins near what it is without them."""


class GeneratorWay(Way):
    """A way into a generator: it may join something to z, and may modulate features.

    `joins_condition = True` joins the condition itself; `joins_reals = R` joins R values, those of `embed`.

    Args:
        layout: of the label space's conditions.
        latent_dim: Z.

    Attributes:
        styles: layout of what modulates features; of width 0 for nothing.
        modulates_by_latent: whether the last Z entries of a style are z.
    """

    modulates_by_latent: bool = False

    def __init__(self, layout: Layout, latent_dim: int) -> None:
        super().__init__(layout)
        self.latent_dim = latent_dim
        self.styles = Layout()

    def style(self, z: Tensor, condition: Condition) -> Condition:
        """(B, Z) and a condition -> what modulates features; called once per forward pass."""
        raise NotImplementedError


class Taken(NamedTuple):
    """What the ways make of z and a condition, once per forward pass.

    Attributes:
        joined: what is concatenated with z.
        styles: one for each way that modulates.
    """

    joined: Condition
    styles: list[Condition]


class GeneratorWays(Ways):
    """All ways into one generator; the network owns it as a submodule.

    When it is built, the network asks for one `linear` and for a `modulation` wherever features are normalized or,
    without normalization, at the input of each scale. In a forward pass it calls `taken = ways(z, condition)`, then
    `linear(z, taken.joined)` and `modulation(features, taken.styles)`.

    Args:
        layout: of the label space's conditions.
        latent_dim: Z.
        ways: in the config's order.
    """

    def __init__(self, layout: Layout, latent_dim: int, ways: Sequence[GeneratorWay]) -> None:
        super().__init__(layout, ways)
        self.latent_dim = latent_dim
        self.modulating = [way for way in ways if way.styles.width]

    def forward(self, z: Tensor, condition: Condition) -> Taken:
        """(B, Z) and a condition -> what the network's layers take."""
        return Taken(self.join(condition), [way.style(z, condition) for way in self.modulating])

    def linear(self, out_features: int) -> LatentConcat:
        """The network's first layer, (B, Z) and the joined condition -> (B, F)."""
        return LatentConcat(self.latent_dim, self.joined_layout, out_features, self.literal)

    def modulation(self, channels: int) -> Modulation:
        """A layer for features with so many channels, (B, C, H, W) and the styles -> (B, C, H, W)."""
        return Modulation(self.modulating, channels)

    def style_maps(self, out_features: int) -> StyleMaps:
        """For networks that modulate in another way: a layer, the styles -> (B, F)."""
        return StyleMaps(self.modulating, out_features)


class StyleMaps(nn.Module):
    """The sum of a linear map of each style.

    Args:
        ways: whose styles they are.
        out_features: F.
    """

    def __init__(self, ways: Sequence[GeneratorWay], out_features: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList([ConditionLinear(way.styles, out_features, MODULATION_STD) for way in ways])
        self.latent_entries = [way.latent_dim if way.modulates_by_latent else 0 for way in ways]

    def forward(self, styles: Sequence[Condition]) -> Tensor:
        """A style for each way that modulates, at least one -> (B, F)."""
        return torch.stack([linear(style) for linear, style in zip(self.maps, styles, strict=True)]).sum(0)

    def latent_weights(self) -> list[Tensor]:
        """(F, Z) for each style that has z in it: what z adds to the sum."""
        maps = zip(cast("Iterable[ConditionLinear]", self.maps), self.latent_entries, strict=True)
        return [linear.matrix()[-entries:].T for linear, entries in maps if entries]


class Modulation(StyleMaps):
    """x * (1 + sum of gains) + sum of shifts, each linear in a style; the identity where no way modulates.

    After batch norm this is conditional batch norm (de Vries et al. 2017, arXiv:1707.00683), elsewhere FiLM (Perez et
    al. 2018, arXiv:1709.07871).

    Args:
        ways: whose styles they are.
        channels: C of the features.
    """

    def __init__(self, ways: Sequence[GeneratorWay], channels: int) -> None:
        super().__init__(ways, 2 * channels)

    def forward(self, features: Tensor, styles: Sequence[Condition]) -> Tensor:  # type: ignore[override]
        """(B, C, H, W) and a style for each way that modulates -> (B, C, H, W)."""
        if not styles:
            return features
        gain, shift = super().forward(styles)[:, :, None, None].chunk(2, dim=1)
        # A float32 gain would make float32 of all features that half precision was chosen for.
        return features * (1 + gain).to(features.dtype) + shift.to(features.dtype)
