"""TensorFlow's "SAME" padding, which PyTorch does not offer for strided convolutions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def same_padding(size: tuple[int, int], kernel_size: int, stride: int) -> tuple[int, int, int, int]:
    """Zero padding that makes the output ceil(size / stride), with the odd pixel at the bottom and right.

    The total on an axis is max((ceil(size / stride) - 1) * stride + kernel_size - size, 0). With a 5x5 kernel and
    stride 2 that is 3 (1 before, 2 after) for the even sizes 28 and 14 and 4 (2 and 2) for the odd size 7, hence
    28 -> 14 -> 7 -> 4.

    Args:
        size: (H, W) of the input.
        kernel_size: k, the same on both axes.
        stride: the same on both axes.

    Returns:
        (left, right, top, bottom), the order of `torch.nn.functional.pad`.
    """
    total_height, total_width = (max((-(-length // stride) - 1) * stride + kernel_size - length, 0) for length in size)
    return total_width // 2, total_width - total_width // 2, total_height // 2, total_height - total_height // 2


def zero_padded(x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """`F.pad(x, padding)`, which would copy even where there is nothing to add, in each derivative too.

    Args:
        x: (B, C, H, W).
        padding: from `same_padding`.
    """
    return F.pad(x, padding) if any(padding) else x
