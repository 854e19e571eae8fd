"""A convolution over the image and N constant planes, at a cost that does not depend on the number of classes.

A convolution of a constant plane needs no convolution. With the zero-padded all-ones plane unfolded into
M (k·k, H'·W'), which says what taps fall inside the image at each output position,

    conv([x ; c_1·1, ..., c_N·1]) = conv(x) + (sum_n c_n W_n) @ M

and the sum is a row look-up for class labels. It is exact, borders included, and differentiable twice. Of a 1x1 kernel
M is all ones, so there the term has no positions at all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.linear import ConditionLinear, present_as_one
from cgan_dist.conditioning.padding import same_padding, zero_padded


class ChannelConv2d(nn.Module):
    """First convolution of D over the image and its condition planes.

    The state dict is that of `nn.Conv2d(channels + N, out_channels, kernel_size)`, image channels first, so the two
    interchange. In memory the planes' kernels are the rows of a table of their own.

    Args:
        channels: C of the image.
        layout: of the condition; N is its width, and may be 0.
        out_channels: O.
        image_size: (H, W); the padding and M depend on it.
        kernel_size: k.
        stride: in both directions.
        same: zero-pad so that the output is ceil(size / stride), as TensorFlow's "SAME"; false pads nothing.
        literal: build the planes and convolve them; the reference that tests compare with.
    """

    taps: Tensor

    def __init__(
        self,
        channels: int,
        layout: Layout,
        out_channels: int,
        image_size: tuple[int, int],
        kernel_size: int = 5,
        stride: int = 2,
        same: bool = True,
        literal: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.width, self.stride, self.literal = channels, layout.width, stride, literal
        self.padding = same_padding(image_size, kernel_size, stride) if same else (0, 0, 0, 0)
        self.image_weight = nn.Parameter(torch.empty(out_channels, channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.share = (
            ConditionLinear(layout, out_channels * kernel_size**2, used_whole=literal) if layout.width else None
        )
        ones = F.pad(torch.ones(1, 1, *image_size), self.padding)
        self.register_buffer("taps", F.unfold(ones, kernel_size, stride=stride)[0], persistent=False)
        present_as_one(self, "image_weight")
        nn.init.xavier_uniform_(weight := torch.empty(out_channels, channels + layout.width, kernel_size, kernel_size))
        self.assign(weight)

    def forward(self, image: Tensor, joined: Condition) -> Tensor:
        """(B, C, H, W) and what is joined to it -> (B, O, H', W')."""
        image = zero_padded(image, self.padding)
        if self.literal:
            return F.conv2d(self._with_planes(image, joined), self.joined_weight(), self.bias, self.stride)
        features = F.conv2d(image, self.image_weight, self.bias, self.stride)
        if self.share is None:
            return features
        kernels: Tensor = self.share(joined).to(features.dtype).view(len(image), -1, len(self.taps))  # (B, O, k·k)
        if len(self.taps) == 1:  # the only tap is always inside: the same at all positions
            return features + kernels[..., None]
        planes: Tensor = kernels @ self.taps.to(features.dtype)
        return features + planes.view_as(features)

    def joined_weight(self) -> Tensor:
        """(O, C + N, k, k): the weight of the equal `nn.Conv2d`."""
        return self.joined(self.image_weight, None if self.share is None else self.share.matrix())

    @torch.no_grad()
    def assign(self, weight: Tensor) -> None:
        """Takes (O, C + N, k, k), the weight of the equal `nn.Conv2d`."""
        own, matrix = self.cut(weight)
        self.image_weight.copy_(own)
        if self.share is not None:
            self.share.assign(matrix)

    def joined(self, own: Tensor, matrix: Tensor | None) -> Tensor:
        """(O, C, k, k) and the table (N, O·k·k) -> (O, C + N, k, k)."""
        if matrix is None:
            return own
        return torch.cat([own, matrix.view(len(matrix), len(own), *own.shape[2:]).transpose(0, 1)], dim=1)

    def cut(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(O, C + N, k, k) -> (O, C, k, k) and the table (N, O·k·k)."""
        return weight[:, : self.channels], weight[:, self.channels :].transpose(0, 1).flatten(1)

    def _with_planes(self, padded: Tensor, joined: Condition) -> Tensor:
        left, right, top, bottom = self.padding
        height, width = padded.shape[2] - top - bottom, padded.shape[3] - left - right
        planes = joined.vector(self.width).to(padded)[:, :, None, None].expand(-1, -1, height, width)
        return torch.cat([padded, zero_padded(planes, self.padding)], dim=1)
