"""The residual block of R3GAN: an inverted bottleneck with a grouped convolution, without normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.bounds import BLOCKS
from cgan_dist.errors import UserError
from cgan_dist.models.scales import check_positive

SLOPE = 0.2
BRANCH_LAYERS = 3


class BlockShape(NamedTuple):
    """What all residual blocks of a network have in common.

    Attributes:
        blocks: how many there are at each scale.
        expansion: inner channels per outer channel.
        group_size: inner channels that the 3x3 convolution connects.
        total: L, the blocks of the whole network.
    """

    blocks: int
    expansion: int
    group_size: int
    total: int


class ResidualBlock(nn.Module):
    """Adds (1x1 conv, wider -> leaky ReLU 0.2 -> grouped 3x3 conv -> leaky ReLU 0.2 -> 1x1 conv) to its input.

    The last layer starts at zero. The other two start as He et al. 2015 for the leaky ReLU (arXiv:1502.01852), times
    L^(-1 / (2m - 2)) with m = 3 layers in a branch, so that L branches together move the output as much as one would.

    Args:
        channels: C.
        shape: expansion, group size and L.
    """

    def __init__(self, channels: int, shape: BlockShape) -> None:
        super().__init__()
        inner = channels * shape.expansion
        gain = nn.init.calculate_gain("leaky_relu", SLOPE) * shape.total ** (-1 / (2 * BRANCH_LAYERS - 2))
        self.widen = scaled_normal_(nn.Conv2d(channels, inner, 1), gain)
        self.mix = scaled_normal_(nn.Conv2d(inner, inner, 3, padding=1, groups=inner // shape.group_size), gain)
        self.narrow = nn.Conv2d(inner, channels, 1, bias=False)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        branch = F.leaky_relu(self.mix(F.leaky_relu(self.widen(features), SLOPE)), SLOPE)
        return features + self.narrow(branch)  # type: ignore[no-any-return]


def residual_blocks(channels: int, shape: BlockShape) -> list[nn.Module]:
    """Returns the blocks of one scale."""
    return [ResidualBlock(channels, shape) for _ in range(shape.blocks)]


def block_shape(widths: Sequence[int], blocks: int, expansion: int, group_size: int, where: str) -> BlockShape:
    """Returns the shape of a network's blocks.

    Args:
        widths: channels at each scale.
        blocks: at each scale.
        expansion: inner channels per outer channel.
        group_size: inner channels of a group.
        where: key path of the network's arguments, for the error.

    Raises:
        UserError: if a number is below 1, or the group size does not divide all inner widths.
    """
    check_positive(where, blocks=blocks, expansion=expansion, group_size=group_size)
    BLOCKS.check(blocks, f"{where}.blocks")
    inner = [width * expansion for width in widths]
    if any(channels % group_size for channels in inner):
        raise UserError(
            f"{where}.group_size: found {group_size}, which does not divide all inner widths of blocks (width times "
            f"expansion), {', '.join(map(str, sorted(set(inner))))}; expected a divisor of {math.gcd(*inner)}, or "
            "other widths."
        )
    return BlockShape(blocks, expansion, group_size, total=blocks * len(widths))


Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def scaled_normal_(layer: Layer, gain: float = 1.0) -> Layer:
    """Initializes in place and returns the layer: weights normal, std gain / sqrt(inputs per output); biases 0."""
    nn.init.normal_(layer.weight, std=gain / layer.weight[0].numel() ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
