"""The networks of the two original programs: strided 5x5 convolutions, any image size, any number of channels.

Sizes derive from the image: each stage halves it, rounding up, until it is at most 4 pixels or `stages` are used;
28 gives 28 -> 14 -> 7 -> 4. Padding is TensorFlow's "SAME" (see `conditioning.padding`), odd pixel at the bottom and
right; the transposed convolutions crop by the same rule, so that 4 -> 7 -> 14 -> 28 retraces the sizes exactly.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays, Judgement
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.conditioning.padding import same_padding, zero_padded
from cgan_dist.errors import UserError
from cgan_dist.models.doubling_conv import DoublingConv2d
from cgan_dist.models.image_layer import image_from, image_layer
from cgan_dist.models.initialization import initialize_
from cgan_dist.models.scales import check_positive

Norm = Literal["batch", "none"]
Upsampling = Literal["transposed", "nearest"]
Size = tuple[int, int]
KERNEL_SIZE, STRIDE, SLOPE = 5, 2, 0.1


class Generator(nn.Module):
    """[z ; condition] -> linear -> ReLU -> (deconv -> BN -> ReLU)* -> deconv -> tanh.

    Args:
        image_shape: (C, H, W).
        latent_dim: Z.
        ways: how it takes the condition.
        width: channels before the last layer; they double with each stage towards the smallest size.
        stages: how often the size doubles; null derives it from the image.
        norm: after every transposed convolution but the last; ways that modulate act after it.
        upsampling: `transposed`, 5x5 convolutions of stride 2 as in the original; or `nearest`, which doubles the size
            first and convolves 3x3 (`DoublingConv2d`), for pictures without checkerboards and in less time.

    Raises:
        UserError: if the image is too small for so many stages, or for the ways.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        ways: GeneratorWays,
        width: int = 64,
        stages: int | None = None,
        norm: Norm = "batch",
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        check_positive("generator.args", width=width)
        convolution = DoublingConv2d if upsampling == "nearest" else SameConvTranspose2d
        sizes = halvings((size[0], size[1]), stages, "generator.args")[::-1]
        widths = [width * 2**power for power in reversed(range(len(sizes) - 1))]  # e.g. 256, 128, 64
        self.start = (widths[0], *sizes[0])
        self.ways, self.width = ways, width
        self.entry = ways.linear(widths[0] * sizes[0][0] * sizes[0][1])
        self.blocks = nn.ModuleList(
            [
                Up(convolution(before, after, target), norm, ways)
                for before, after, target in zip(widths[:-1], widths[1:], sizes[1:-1], strict=True)
            ]
        )
        if ways.modulating and not self.blocks:
            raise UserError(
                f"conditioning.generator: a dcgan of one stage ({size[0]}x{size[1]} images) has nothing to modulate; "
                "take concat or embedding instead of film, or more stages."
            )
        self.last = image_layer(convolution(widths[-1], channels, sizes[-1]))
        initialize_(self, nn.init.xavier_uniform_)

    def forward(self, z: Tensor, condition: Condition) -> Tensor:
        """(B, Z) and a condition -> (B, C, H, W) in (-1, 1)."""
        taken = self.ways(z, condition)
        features = F.relu(self.entry(z, taken.joined)).view(-1, *self.start)
        for block in self.blocks:
            features = block(features, taken.styles)
        return image_from(features, self.last)


class Up(nn.Module):
    """Convolution that doubles the size -> norm -> modulation -> ReLU.

    Args:
        convolution: as `upsampling` says.
        norm: `batch` or `none`.
        ways: for the modulation.
    """

    def __init__(self, convolution: SameConvTranspose2d | DoublingConv2d, norm: Norm, ways: GeneratorWays) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = normalization(norm, convolution.out_channels)
        self.modulation = ways.modulation(convolution.out_channels)

    def forward(self, features: Tensor, styles: list[Condition]) -> Tensor:
        """(B, before, H', W') and the styles -> (B, after, H, W)."""
        return F.relu(self.modulation(self.norm(self.convolution(features)), styles))


class Discriminator(nn.Module):
    """[image ; condition planes] -> (conv -> BN -> leaky ReLU 0.1)* -> linear -> one logit.

    Batch statistics are those of the batch that is passed: with them, real and fake images go through in two calls.

    Args:
        image_shape: (C, H, W).
        ways: how it takes the condition.
        width: channels after the first convolution; they double with each stage.
        stages: how often the size halves; null derives it from the image.
        norm: after every convolution.
        padding: `same` as in the original for MNIST, or `valid`, none, as in the one for faces.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        ways: DiscriminatorWays,
        width: int = 64,
        stages: int | None = None,
        norm: Norm = "batch",
        padding: Literal["same", "valid"] = "same",
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        check_positive("discriminator.args", width=width)
        same = padding == "same"
        sizes = halvings((size[0], size[1]), stages, "discriminator.args", same)
        widths = [width * 2**power for power in range(len(sizes) - 1)]
        self.ways, self.judges_alone = ways, norm == "none"
        self.entry = ways.convolution(channels, width, sizes[0], KERNEL_SIZE, STRIDE, same)
        layers: list[nn.Module] = [normalization(norm, width), nn.LeakyReLU(SLOPE)]
        for before, after, source in zip(widths[:-1], widths[1:], sizes[1:-1], strict=True):
            layers += [SameConv2d(before, after, source, same), normalization(norm, after), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = ways.head(widths[-1] * sizes[-1][0] * sizes[-1][1])
        initialize_(self, nn.init.xavier_uniform_)

    def forward(self, image: Tensor, condition: Condition) -> Judgement:
        """(B, C, H, W) and a condition -> judgement."""
        features = self.layers(self.entry(image, self.ways.join(condition)))
        return self.head(features, condition)  # type: ignore[no-any-return]


class SameConv2d(nn.Conv2d):
    """5x5 convolution with stride 2: (B, C, H, W) -> (B, O, ceil(H / 2), ceil(W / 2)).

    Args:
        channels: C.
        out_channels: O.
        size: (H, W) of the input.
        same: pad as "SAME"; false pads nothing.
    """

    def __init__(self, channels: int, out_channels: int, size: Size, same: bool = True) -> None:
        super().__init__(channels, out_channels, KERNEL_SIZE, STRIDE)
        self.same = same_padding(size, KERNEL_SIZE, STRIDE) if same else (0, 0, 0, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, H', W')."""
        return super().forward(zero_padded(x, self.same))


class SameConvTranspose2d(nn.ConvTranspose2d):
    """5x5 transposed convolution with stride 2, the adjoint of `SameConv2d`.

    Args:
        channels: C.
        out_channels: O.
        target: (H, W) of the output; the input has ceil(H / 2), ceil(W / 2).
    """

    def __init__(self, channels: int, out_channels: int, target: Size) -> None:
        left, _, top, _ = same_padding(target, KERNEL_SIZE, STRIDE)
        super().__init__(channels, out_channels, KERNEL_SIZE, STRIDE, padding=(top, left))
        self.target = target

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, ceil(H / 2), ceil(W / 2)) -> (B, O, H, W)."""
        full = super().forward(x)  # may have one row and column more at the bottom and right
        return full[:, :, : self.target[0], : self.target[1]]


def halvings(size: Size, stages: int | None, where: str, same: bool = True) -> list[Size]:
    """Returns the sizes from the image down to the smallest, e.g. 28 -> [28, 14, 7, 4] (as pairs).

    Args:
        size: (H, W).
        stages: how many halvings; null halves at least once, until both sides are at most 4.
        where: key path of the network's arguments, for the error.
        same: each is ceil(size / 2); false gives what a 5x5 convolution without padding leaves.

    Raises:
        UserError: if the image is too small for so many.
    """
    sizes = [size]
    while max(sizes[-1]) >= 2:
        height, width = (-(-side // 2) if same else (side - KERNEL_SIZE) // STRIDE + 1 for side in sizes[-1])
        if min(height, width) < 1:
            break
        sizes.append((height, width))
    most = len(sizes) - 1
    if stages is None:
        stages = next((count for count in range(1, most) if max(sizes[count]) <= 4), most)
    if not 1 <= stages <= most:
        expected = f"1 to {most}, or null" if most else "larger images"
        raise UserError(f"{where}.stages: found {stages} halvings of a {size[0]}x{size[1]} image; expected {expected}.")
    return sizes[: stages + 1]


def normalization(norm: Norm, channels: int) -> nn.Module:
    """Returns the layer for `norm`; running statistics keep 0.9 of the old value, epsilon is 1e-5."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1) if norm == "batch" else nn.Identity()
