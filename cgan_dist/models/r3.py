"""The networks of R3GAN (Huang et al. 2024, arXiv:2501.05441, section 4): residual, no normalization, from 8 pixels on.

They are made for R1 and R2: every layer can be differentiated twice, and no image's logit depends on another image.
In place of normalization, blocks begin as the identity (Fixup, Zhang et al. 2019, arXiv:1901.09321).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays, Judgement
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.models.fixup_block import BlockShape, block_shape, residual_blocks, scaled_normal_
from cgan_dist.models.image_layer import image_from, image_layer
from cgan_dist.models.initialization import scaled_entry_
from cgan_dist.models.scales import Size, double, halve, scale_sizes, scale_widths

AT_LEAST = 8


class Generator(nn.Module):
    """A learned map, scaled by linear([z ; condition]) -> blocks -> (conv -> doubled -> blocks)* -> conv -> tanh.

    Ways that modulate act on the features that enter each scale. At the input of each residual branch, their usual
    place without normalization, they would have no effect until the branch's last layer has left zero.

    Args:
        image_shape: (C, H, W).
        latent_dim: Z.
        ways: how it takes the condition.
        width: channels at the image's own size; they double with each halving.
        max_width: the most channels.
        blocks: how many at each scale.
        expansion: inner channels of a block per outer channel.
        group_size: inner channels that a block's 3x3 convolution connects; must divide all inner widths.

    Raises:
        UserError: for an image below 8 pixels, or an argument that does not fit.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        ways: GeneratorWays,
        width: int = 64,
        max_width: int = 512,
        blocks: int = 2,
        expansion: int = 2,
        group_size: int = 16,
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        sizes = scale_sizes((size[0], size[1]), AT_LEAST, "generator.args")[::-1]
        widths = scale_widths(width, max_width, len(sizes), "generator.args")[::-1]
        shape = block_shape(widths, blocks, expansion, group_size, "generator.args")
        self.ways, self.width = ways, width
        self.entry = ways.linear(widths[0])
        scaled_entry_(self.entry, latent_dim, ways.joined_layout)
        self.basis = nn.Parameter(torch.randn(widths[0], *sizes[0]))
        self.stages = nn.ModuleList([Stage(scale_width, shape, ways) for scale_width in widths])
        self.transitions = nn.ModuleList(
            [Up(before, after, target) for (before, after), target in zip(pairwise(widths), sizes[1:], strict=True)]
        )
        self.last = image_layer(scaled_normal_(nn.Conv2d(width, channels, 1)))

    def forward(self, z: Tensor, condition: Condition) -> Tensor:
        """(B, Z) and a condition -> (B, C, H, W) in (-1, 1)."""
        taken = self.ways(z, condition)
        scale = self.entry(z, taken.joined)[:, :, None, None]
        # A float32 basis would make float32 of all features, through the skips, that half precision was chosen for.
        features = self.basis.to(scale.dtype) * scale
        features = self.stages[0](features, taken.styles)
        for transition, stage in zip(self.transitions, self.stages[1:], strict=True):
            features = stage(transition(features), taken.styles)
        return image_from(features, self.last)


class Discriminator(nn.Module):
    """[image ; condition planes] -> conv -> blocks -> (halved -> conv -> blocks)* -> a learned map's product -> head.

    Args:
        image_shape: (C, H, W).
        ways: how it takes the condition.
        width: channels at the image's own size; they double with each halving.
        max_width: the most channels.
        blocks: how many at each scale.
        expansion: inner channels of a block per outer channel.
        group_size: inner channels that a block's 3x3 convolution connects; must divide all inner widths.

    Raises:
        UserError: for an image below 8 pixels, or an argument that does not fit.
    """

    judges_alone = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        ways: DiscriminatorWays,
        width: int = 64,
        max_width: int = 512,
        blocks: int = 2,
        expansion: int = 2,
        group_size: int = 16,
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        sizes = scale_sizes((size[0], size[1]), AT_LEAST, "discriminator.args")
        widths = scale_widths(width, max_width, len(sizes), "discriminator.args")
        shape = block_shape(widths, blocks, expansion, group_size, "discriminator.args")
        self.ways, self.width = ways, width
        self.entry = ways.convolution(channels, width, sizes[0], kernel_size=1)
        scaled_entry_(self.entry, channels, ways.joined_layout)
        layers: list[nn.Module] = residual_blocks(width, shape)
        for before, after in pairwise(widths):
            layers += [Down(before, after), *residual_blocks(after, shape)]
        self.layers = nn.Sequential(*layers)
        # A depthwise convolution over the whole map, written as the sum that it is: the mirror of G's basis.
        self.basis = nn.Parameter(torch.randn(widths[-1], *sizes[-1]) / math.prod(sizes[-1]) ** 0.5)
        self.head = ways.head(widths[-1])
        scaled_normal_(self.head.linear)

    def forward(self, image: Tensor, condition: Condition) -> Judgement:
        """(B, C, H, W) and a condition -> judgement."""
        features = self.layers(self.entry(image, self.ways.join(condition)))
        return self.head((features * self.basis).sum((2, 3)), condition)  # type: ignore[no-any-return]


class Stage(nn.Module):
    """Modulation, then the blocks of one scale of G: (B, C, H, W) -> (B, C, H, W).

    Args:
        channels: C.
        shape: of the blocks.
        ways: for the modulation.
    """

    def __init__(self, channels: int, shape: BlockShape, ways: GeneratorWays) -> None:
        super().__init__()
        self.modulation = ways.modulation(channels)
        self.blocks = nn.Sequential(*residual_blocks(channels, shape))

    def forward(self, features: Tensor, styles: list[Condition]) -> Tensor:
        """(B, C, H, W) and the styles -> (B, C, H, W)."""
        return self.blocks(self.modulation(features, styles))  # type: ignore[no-any-return]


class Up(nn.Module):
    """1x1 convolution where channels change, then bilinear interpolation: (B, before, H', W') -> (B, after, H, W).

    Args:
        before: channels in.
        after: channels out.
        target: (H, W) out.
    """

    def __init__(self, before: int, after: int, target: Size) -> None:
        super().__init__()
        self.target = target
        self.conv = change_of_channels(before, after)

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, ceil(H / 2), ceil(W / 2)) -> (B, after, H, W)."""
        return double(self.conv(features), self.target, "bilinear")


class Down(nn.Module):
    """Bilinear interpolation, then a 1x1 convolution where channels change.

    Args:
        before: channels in.
        after: channels out.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = change_of_channels(before, after)

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, ceil(H / 2), ceil(W / 2))."""
        return self.conv(halve(features))  # type: ignore[no-any-return]


def change_of_channels(before: int, after: int) -> nn.Module:
    """Returns a 1x1 convolution that keeps the variance, or nothing where nothing changes."""
    return nn.Identity() if before == after else scaled_normal_(nn.Conv2d(before, after, 1, bias=False))
