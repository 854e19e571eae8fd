"""The contract of a way into a discriminator, and several of them as one."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from cgan_dist.conditioning.channel_conv import ChannelConv2d
from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.way import Way, Ways
from cgan_dist.config.schedule import Scheduled

Role = Literal["real", "fake", "generator"]
"""Whose images an auxiliary loss is for: D's reals, D's fakes, or the fakes in G's step."""


class Judgement(NamedTuple):
    """What a discriminator says of a batch.

    Attributes:
        logits: (B,), high for real; (B, L) of a D that judges L levels of each picture apart.
        readings: by the name of the way that made it, what its auxiliary loss needs.
    """

    logits: Tensor
    readings: dict[str, Tensor]


class DiscriminatorWay(Way):
    """A way into a discriminator: it may join planes to the image, may add to the logit and may read the label.

    `joins_condition = True` joins the condition itself; `joins_reals = R` joins R values, those of `embed`.

    A reading is a tensor of any shape with the batch first; `loss` turns it into a scalar without parameters of its
    own, so that all parameters are used inside D's forward pass, where DDP sees them.

    Args:
        layout: of the label space's conditions.

    Attributes:
        weight: of the auxiliary loss, a number or a schedule; 0 for a way that has none.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.weight: Scheduled[float] = 0.0

    def logit(self, features: int) -> nn.Module | None:
        """A layer `layer(features (B, F), condition) -> (B,)` that is added to the logit, or None."""
        return None

    def reading(self, features: int) -> nn.Module | None:
        """A layer `layer(features (B, F), condition) -> reading`, or None."""
        return None

    def loss(self, reading: Tensor, condition: Condition, role: Role) -> Tensor | None:
        """A reading and the condition that D was given -> (), or None where this role has no loss."""
        return None


class DiscriminatorWays(Ways):
    """All ways into one discriminator; the network owns it as a submodule.

    When it is built, the network asks for one `convolution` and one `head`. In a forward pass it calls
    `convolution(image, ways.join(condition))` and, on its last features, `head(features, condition)`.

    Args:
        layout: of the label space's conditions.
        ways: in the config's order, by name.
    """

    def __init__(self, layout: Layout, ways: dict[str, DiscriminatorWay]) -> None:
        super().__init__(layout, list(ways.values()))
        self.named = ways

    def convolution(
        self,
        channels: int,
        out_channels: int,
        image_size: tuple[int, int],
        kernel_size: int = 3,
        stride: int = 1,
        same: bool = True,
    ) -> ChannelConv2d:
        """The network's first layer, (B, C, H, W) and the joined condition -> (B, O, H', W')."""
        return ChannelConv2d(
            channels, self.joined_layout, out_channels, image_size, kernel_size, stride, same, self.literal
        )

    def head(self, features: int) -> Head:
        """The network's last layer, (B, F) and the condition -> judgement."""
        return Head(features, self.named)


class Head(nn.Module):
    """A linear layer to one logit, what ways add to it, and their readings.

    Args:
        features: F.
        ways: by name.
    """

    def __init__(self, features: int, ways: dict[str, DiscriminatorWay]) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        logits = {name: way.logit(features) for name, way in ways.items()}
        readings = {name: way.reading(features) for name, way in ways.items()}
        self.logits = nn.ModuleDict({name: layer for name, layer in logits.items() if layer is not None})
        self.readings = nn.ModuleDict({name: layer for name, layer in readings.items() if layer is not None})

    def forward(self, features: Tensor, condition: Condition) -> Judgement:
        """(B, F) and the condition -> judgement."""
        logits = self.linear(features).squeeze(1)
        for layer in self.logits.values():
            logits = logits + layer(features, condition)
        return Judgement(logits, {name: layer(features, condition) for name, layer in self.readings.items()})
