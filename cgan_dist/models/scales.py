"""The scales that the residual networks work at, from the image down to about 4 pixels, and the steps between them.

Scale k has ceil(size / 2^k) pixels a side, so any image size works. The steps are each other's mirror: `halve` averages
the pixels 2i and 2i + 1 into i, and `double` writes i to 2i and 2i + 1; of an odd side the last pixel stands alone.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from cgan_dist.errors import UserError

Size = tuple[int, int]
SMALLEST = 4


def scale_sizes(size: Size, at_least: int, where: str) -> list[Size]:
    """Returns the (H, W) of each scale, from the image until both sides are at most 4: 28 -> [28, 14, 7, 4] as pairs.

    Args:
        size: (H, W) of the image.
        at_least: shortest side that the network is made for.
        where: key path of the network's arguments, for the error.

    Raises:
        UserError: if a side is shorter.
    """
    if min(size) < at_least:
        raise UserError(
            f"{where}: found images of {size[0]}x{size[1]}; this network expects at least {at_least}x{at_least}. Take "
            f"'dcgan' as {where.removesuffix('.args')}.name, or prepare larger images."
        )
    sizes = [size]
    while max(sizes[-1]) > SMALLEST:
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def scale_widths(width: int, max_width: int, scales: int, where: str) -> list[int]:
    """Returns the channels of each scale: they double per halving and stop at `max_width`.

    Args:
        width: channels at scale 0, the image's own size.
        max_width: the most channels.
        scales: how many.
        where: key path of the network's arguments, for the error.

    Raises:
        UserError: if `width` is not positive or `max_width` is less.
    """
    check_positive(where, width=width)
    if max_width < width:
        raise UserError(
            f"{where}.max_width: found {max_width}, less than the {width} channels (width) at the image's own size; "
            f"expected {width} or more. Raise max_width or lower width."
        )
    return [min(width * 2**scale, max_width) for scale in range(scales)]


def check_positive(where: str, **values: int) -> None:
    """Raises UserError for the first argument that is below 1."""
    for name, value in values.items():
        if value < 1:
            raise UserError(f"{where}.{name}: found {value}; expected 1 or more.")


def halve(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, ceil(H / 2), ceil(W / 2)): the mean of each 2x2 square, or of what there is of it.

    For even sides that is bilinear interpolation. It is differentiable twice and deterministic on a GPU, which adaptive
    pooling and antialiased interpolation are not.
    """
    return F.avg_pool2d(features, 2, ceil_mode=True)


def double(features: Tensor, target: Size, mode: Literal["nearest", "bilinear"]) -> Tensor:
    """(B, C, ceil(H / 2), ceil(W / 2)) -> (B, C, H, W), with `target` = (H, W)."""
    return F.interpolate(features, scale_factor=2, mode=mode)[:, :, : target[0], : target[1]]
