"""The residual networks of SNGAN and BigGAN, for images from 16 pixels on; made for 32 to 128.

Blocks as in Miyato et al. 2018 (arXiv:1802.05957, appendix B), conditioned as in Miyato and Koyama 2018
(arXiv:1802.05637); self-attention and orthogonal initialization as in Brock et al. 2019 (arXiv:1809.11096).
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.channel_conv import ChannelConv2d
from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays, Head, Judgement
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.models.attention import SelfAttention, attended
from cgan_dist.models.image_layer import image_from, image_layer
from cgan_dist.models.initialization import initialize_
from cgan_dist.models.scales import Size, double, halve, scale_sizes, scale_widths
from cgan_dist.models.spectral_norm import spectral_norm

AT_LEAST = 16


class Generator(nn.Module):
    """[z ; condition] -> linear -> residual blocks that double the size -> BN -> ReLU -> conv -> tanh.

    Spectral norm is for D only: its vectors belong to one weight, and those of the average of G's weights would be an
    average of vectors, which is not what power iteration would find for it.

    Args:
        image_shape: (C, H, W).
        latent_dim: Z.
        ways: how it takes the condition.
        width: channels at the image's own size; they double with each halving.
        max_width: the most channels. SNGAN's network for CIFAR-10 is width = max_width = 256.
        attention: longer side of the feature map that gets self-attention, e.g. 32; null for none.

    Raises:
        UserError: for an image below 16 pixels, or an argument that does not fit.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        ways: GeneratorWays,
        width: int = 64,
        max_width: int = 512,
        attention: int | None = None,
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        sizes = scale_sizes((size[0], size[1]), AT_LEAST, "generator.args")
        attends = attended(attention, sizes, "generator.args")
        widths = scale_widths(width, max_width, len(sizes), "generator.args")
        self.start = (widths[-1], *sizes[-1])
        self.ways, self.width = ways, width
        self.entry = ways.linear(widths[-1] * sizes[-1][0] * sizes[-1][1])
        self.blocks = nn.ModuleList(
            [
                UpBlock(before, after, target, ways, target == attends)
                for (before, after), target in zip(pairwise(widths[::-1]), sizes[-2::-1], strict=True)
            ]
        )
        self.norm = nn.BatchNorm2d(width)
        self.last = image_layer(nn.Conv2d(width, channels, 3, padding=1))
        initialize_(self, nn.init.orthogonal_)

    def forward(self, z: Tensor, condition: Condition) -> Tensor:
        """(B, Z) and a condition -> (B, C, H, W) in (-1, 1)."""
        taken = self.ways(z, condition)
        features = self.entry(z, taken.joined).view(-1, *self.start)
        for block in self.blocks:
            features = block(features, taken.styles)
        return image_from(F.relu(self.norm(features)), self.last)


class UpBlock(nn.Module):
    """Adds (BN -> modulation -> ReLU -> double -> conv -> BN -> modulation -> ReLU -> conv) to the doubled input.

    Args:
        before: channels in.
        after: channels out.
        target: (H, W) out.
        ways: for the modulations.
        attends: it ends with self-attention.
    """

    def __init__(self, before: int, after: int, target: Size, ways: GeneratorWays, attends: bool) -> None:
        super().__init__()
        self.target = target
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.modulation1, self.modulation2 = ways.modulation(before), ways.modulation(after)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)
        self.attention = SelfAttention(after) if attends else nn.Identity()

    def forward(self, features: Tensor, styles: list[Condition]) -> Tensor:
        """(B, before, ceil(H / 2), ceil(W / 2)) and the styles -> (B, after, H, W)."""
        branch = F.relu(self.modulation1(self.norm1(features), styles))
        branch = self.conv1(double(branch, self.target, "nearest"))
        branch = self.conv2(F.relu(self.modulation2(self.norm2(branch), styles)))
        skip = double(self.skip(features), self.target, "nearest")  # equal to doubling first, and cheaper
        return self.attention(branch + skip)  # type: ignore[no-any-return]


class Discriminator(nn.Module):
    """[image ; condition planes] -> residual blocks that halve the size -> one that does not -> ReLU -> sum -> head.

    Args:
        image_shape: (C, H, W).
        ways: how it takes the condition.
        width: channels at the image's own size and after the first block; they double with each further one.
        max_width: the most channels. SNGAN's network for CIFAR-10 is width = max_width = 128, except that its last two
            blocks stay at 8x8, where the third one here goes on to 4x4.
        attention: longer side of the feature map that gets self-attention, e.g. 32; null for none.
        spectral: spectral norm of every convolution and linear layer, the head's included.
        spectral_tables: likewise of the table of `projection`, as in the papers. Its gradient is then no longer that of
            the batch's rows alone, and a step's cost grows with the number of classes; false for very many.

    Raises:
        UserError: for an image below 16 pixels, or an argument that does not fit.
    """

    judges_alone = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        ways: DiscriminatorWays,
        width: int = 64,
        max_width: int = 512,
        attention: int | None = None,
        spectral: bool = True,
        spectral_tables: bool = True,
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        sizes = scale_sizes((size[0], size[1]), AT_LEAST, "discriminator.args")
        attends = attended(attention, sizes, "discriminator.args")
        widths = scale_widths(width, max_width, len(sizes) - 1, "discriminator.args")
        self.ways, self.width = ways, width
        self.entry = ways.convolution(channels, width, sizes[0], kernel_size=3)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Conv2d(channels, width, 1)
        layers: list[nn.Module] = [SelfAttention(width)] if sizes[1] == attends else []
        for (before, after), target in zip(pairwise(widths), sizes[2:], strict=True):
            layers.append(DownBlock(before, after, halves=True))
            layers += [SelfAttention(after)] if target == attends else []
        self.layers = nn.Sequential(*layers, DownBlock(widths[-1], widths[-1], halves=False), nn.ReLU())
        self.head = ways.head(widths[-1])
        initialize_(self, nn.init.orthogonal_)
        if spectral:
            spectral_norm_(self, self.head if spectral_tables else None)

    def forward(self, image: Tensor, condition: Condition) -> Judgement:
        """(B, C, H, W) and a condition -> judgement."""
        branch = self.second(F.relu(self.entry(image, self.ways.join(condition))))
        features = halve(branch) + self.skip(halve(image))
        return self.head(self.layers(features).sum((2, 3)), condition)  # type: ignore[no-any-return]


class DownBlock(nn.Module):
    """Adds (ReLU -> conv -> ReLU -> conv -> halve) to the halved input.

    Args:
        before: channels in.
        after: channels out; the same as in where it does not halve.
        halves: false keeps the size.
    """

    def __init__(self, before: int, after: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1) if halves else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, ceil(H / 2), ceil(W / 2)), or (B, after, H, W)."""
        branch = self.conv2(F.relu(self.conv1(F.relu(features))))
        if not self.halves:
            return self.skip(features) + branch  # type: ignore[no-any-return]
        return self.skip(halve(features)) + halve(branch)  # type: ignore[no-any-return]


def spectral_norm_(network: nn.Module, head: Head | None) -> None:
    """Divides weights by their largest singular value, found by power iteration (arXiv:1802.05957, eq. 9).

    Of the first convolution only the image's kernels are divided: what the condition's planes add does not depend on
    the image, so it has no part in the Lipschitz constant that the norm is there to bound.

    Args:
        network: its convolutions and linear layers are changed in place.
        head: its tables that are multiplied with features are changed too; None leaves tables alone.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            spectral_norm(module)
        elif isinstance(module, ChannelConv2d):
            spectral_norm(module, "image_weight")
    for table in [] if head is None else [m for m in head.logits.modules() if isinstance(m, ConditionLinear)]:
        for name in [name for name in ("table", "weight") if getattr(table, name) is not None]:
            spectral_norm(table, name)
