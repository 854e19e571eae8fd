"""A 3x3 convolution of features at twice their size, in less than half of its operations."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DoublingConv2d(nn.Conv2d):
    """Every pixel becomes a square of four, and a 3x3 convolution follows: no output is a sum of more taps than others.

    A transposed convolution whose kernel its stride does not divide adds up more taps at some pixels than at others, so
    that a network has to unlearn a checkerboard (Odena et al. 2016, doi:10.23915/distill.00003).

    Both steps at once are a transposed convolution of stride 2 with a kernel of 4x4: an output pixel sees two pixels of
    the input on each axis, of which one has the sum of two taps. So nothing is doubled in memory, and an output takes 4
    products a channel instead of 9.

    Args:
        channels: C.
        out_channels: O.
        target: (H, W) of the output; the input has ceil(H / 2), ceil(W / 2).
    """

    def __init__(self, channels: int, out_channels: int, target: tuple[int, int]) -> None:
        super().__init__(channels, out_channels, kernel_size=3, padding=1)
        self.target = target

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ceil(H / 2), ceil(W / 2)) -> (B, O, H, W)."""
        doubled = F.conv_transpose2d(x, self.joined_kernel(), self.bias, stride=2, padding=1)
        return doubled[:, :, : self.target[0], : self.target[1]]

    def joined_kernel(self) -> Tensor:
        """(C, O, 4, 4): the 3x3 kernel and the square that a pixel becomes, as one of a transposed convolution."""
        kernel = self.weight.flip(2, 3).transpose(0, 1)
        rows = F.pad(kernel, (0, 0, 0, 1)) + F.pad(kernel, (0, 0, 1, 0))
        return F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))
