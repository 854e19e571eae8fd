"""The networks of the two original programs: strided 5x5 convolutions, any image size, any number of channels.

Sizes derive from the image: each stage halves it, rounding up, until it is at most 4 pixels or `stages` are used;
28 gives 28 -> 14 -> 7 -> 4. Padding is TensorFlow's "SAME" (see `cgan_dist.padding`), odd pixel at the bottom and
right; the transposed convolutions crop by the same rule, so that 4 -> 7 -> 14 -> 28 retraces the sizes exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.errors import UserError
from cgan_dist.padding import same_padding

Norm = Literal["batch", "none"]
Size = tuple[int, int]
KERNEL_SIZE, STRIDE, SLOPE = 5, 2, 0.1


class Generator(nn.Module):
    """[z ; condition] -> linear -> ReLU -> (deconv -> BN -> ReLU)* -> deconv -> tanh.

    Args:
        image_shape: (C, H, W).
        latent_dim: Z.
        condition_width: N.
        entry: way in, built as `entry(latent_dim, condition_width, out_features)`.
        width: channels before the last layer; they double with each stage towards the smallest size.
        stages: how often the size doubles; null derives it from the image.
        norm: after every transposed convolution but the last.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        condition_width: int,
        entry: Callable[..., nn.Module],
        width: int = 64,
        stages: int | None = None,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        sizes = halvings((size[0], size[1]), stages)[::-1]
        widths = [width * 2**power for power in reversed(range(len(sizes) - 1))]  # e.g. 256, 128, 64
        self.start = (widths[0], *sizes[0])
        self.entry = entry(latent_dim, condition_width, widths[0] * sizes[0][0] * sizes[0][1])
        layers: list[nn.Module] = []
        for before, after, target in zip(widths[:-1], widths[1:], sizes[1:-1], strict=True):
            layers += [SameConvTranspose2d(before, after, target), *normalization(norm, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, SameConvTranspose2d(widths[-1], channels, sizes[-1]), nn.Tanh())
        glorot_(self)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """(B, Z) and a condition -> (B, C, H, W) in (-1, 1)."""
        features = F.relu(self.entry(z, condition))
        return self.layers(features.view(-1, *self.start))  # type: ignore[no-any-return]


class Discriminator(nn.Module):
    """[image ; condition planes] -> (conv -> BN -> leaky ReLU 0.1)* -> linear -> one logit.

    Batch statistics are those of the batch that is passed: real and fake images go through in two calls.

    Args:
        image_shape: (C, H, W).
        condition_width: N.
        entry: way in, built as `entry(C, condition_width, out_channels, (H, W))`; the first convolution.
        width: channels after the first convolution; they double with each stage.
        stages: how often the size halves; null derives it from the image.
        norm: after every convolution.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        condition_width: int,
        entry: Callable[..., nn.Module],
        width: int = 64,
        stages: int | None = None,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        sizes = halvings((size[0], size[1]), stages)
        widths = [width * 2**power for power in range(len(sizes) - 1)]
        self.entry = entry(channels, condition_width, width, sizes[0])
        layers: list[nn.Module] = [*normalization(norm, width), nn.LeakyReLU(SLOPE)]
        for before, after, source in zip(widths[:-1], widths[1:], sizes[1:-1], strict=True):
            layers += [SameConv2d(before, after, source), *normalization(norm, after), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(widths[-1] * sizes[-1][0] * sizes[-1][1], 1)
        glorot_(self)

    def forward(self, image: Tensor, condition: Tensor) -> Tensor:
        """(B, C, H, W) and a condition -> (B,) logits."""
        return self.head(self.layers(self.entry(image, condition))).squeeze(1)  # type: ignore[no-any-return]


class SameConv2d(nn.Conv2d):
    """5x5 convolution with stride 2: (B, C, H, W) -> (B, O, ceil(H / 2), ceil(W / 2)).

    Args:
        channels: C.
        out_channels: O.
        size: (H, W) of the input.
    """

    def __init__(self, channels: int, out_channels: int, size: Size) -> None:
        super().__init__(channels, out_channels, KERNEL_SIZE, STRIDE)
        self.same = same_padding(size, KERNEL_SIZE, STRIDE)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, ceil(H / 2), ceil(W / 2))."""
        return super().forward(F.pad(x, self.same))


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


def halvings(size: Size, stages: int | None) -> list[Size]:
    """Returns the sizes from the image down to the smallest, e.g. 28 -> [28, 14, 7, 4] (as pairs).

    Args:
        size: (H, W).
        stages: how many halvings; null halves at least once, until both sides are at most 4.
    """
    if max(size) < 2 or (stages is not None and not 2 <= 2**stages <= max(size)):
        raise UserError(
            f"args.stages: {stages or 'at least one'} halvings of a {size[0]}x{size[1]} image; expected at least 1 and "
            "a smallest size of at least 1 pixel."
        )
    sizes = [size]
    while len(sizes) <= stages if stages is not None else len(sizes) < 2 or max(sizes[-1]) > 4:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def normalization(norm: Norm, channels: int) -> list[nn.Module]:
    """Returns the layer for `norm`, or nothing; running statistics keep 0.9 of the old value, epsilon is 1e-5."""
    return [nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)] if norm == "batch" else []


def glorot_(network: nn.Module) -> None:
    """Initializes in place: every matrix and kernel Glorot uniform (Glorot and Bengio 2010), every bias 0."""
    for module in network.modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if isinstance(weight, nn.Parameter) and weight.ndim >= 2:
            nn.init.xavier_uniform_(weight)
            if isinstance(bias, nn.Parameter):
                nn.init.zeros_(bias)
