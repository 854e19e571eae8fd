"""Way into a discriminator `channels`: N constant planes beside the image's channels, at a cost independent of N.

A convolution of a constant plane needs no convolution. With the zero-padded all-ones plane unfolded into
M (k·k, H'·W'), which says what taps fall inside the image at each output position,

    conv([x ; c_1·1, ..., c_N·1]) = conv(x) + (sum_n c_n W_n) @ M

and the sum is a row look-up for class labels. It is exact, borders included, and differentiable twice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.base import as_vector
from cgan_dist.padding import same_padding


class ChannelConv2d(nn.Module):
    """First convolution of D over the image and N condition planes, stride 2 with "SAME" padding by default.

    The parameters are those of `nn.Conv2d(channels + condition_width, out_channels, kernel_size)`, image channels
    first, so state dicts interchange with the literal form.

    Args:
        channels: C of the image.
        condition_width: N, the condition's length.
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
        condition_width: int,
        out_channels: int,
        image_size: tuple[int, int],
        kernel_size: int = 5,
        stride: int = 2,
        same: bool = True,
        literal: bool = False,
    ) -> None:
        super().__init__()
        reference = nn.Conv2d(channels + condition_width, out_channels, kernel_size)
        self.weight, self.bias = reference.weight, reference.bias
        self.channels, self.condition_width, self.stride, self.literal = channels, condition_width, stride, literal
        self.padding = same_padding(image_size, kernel_size, stride) if same else (0, 0, 0, 0)
        ones = F.pad(torch.ones(1, 1, *image_size), self.padding)
        self.register_buffer("taps", F.unfold(ones, kernel_size, stride=stride)[0], persistent=False)

    def forward(self, image: Tensor, condition: Tensor) -> Tensor:
        """(B, C, H, W) and a condition -> (B, O, H', W')."""
        image = F.pad(image, self.padding)
        if self.literal:
            return F.conv2d(self._with_planes(image, condition), self.weight, self.bias, self.stride)
        weight_image, weight_planes = self.weight.split([self.channels, self.condition_width], dim=1)
        features = F.conv2d(image, weight_image, self.bias, self.stride)
        return features + self._planes_share(condition, weight_planes).view_as(features)

    def _planes_share(self, condition: Tensor, weight: Tensor) -> Tensor:
        """(sum_n c_n W_n) @ M: a condition and (O, N, k, k) -> (B, O, H'·W')."""
        weight = weight.flatten(2)  # (O, N, k·k)
        if condition.is_floating_point():
            mixed = torch.einsum("bn,onk->bok", condition.to(weight.dtype), weight)
        else:
            mixed = weight.index_select(1, condition).transpose(0, 1)
        return mixed @ self.taps.to(mixed.dtype)

    def _with_planes(self, padded: Tensor, condition: Tensor) -> Tensor:
        left, right, top, bottom = self.padding
        height, width = padded.shape[2] - top - bottom, padded.shape[3] - left - right
        vector = as_vector(condition, self.condition_width).to(padded)
        planes = vector[:, :, None, None].expand(-1, -1, height, width)
        return torch.cat([padded, F.pad(planes, self.padding)], dim=1)
