"""Between tokens and the patches of an image that they stand for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from cgan_dist.bounds import BLOCKS
from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.errors import UserError
from cgan_dist.models.image_layer import bounded, image_layer
from cgan_dist.models.scales import Size, check_positive
from cgan_dist.models.transformer_block import RMSNorm, StyleScales, scaled

HEAD_WIDTH = 64


class PatchHead(nn.Module):
    """The end of G: norm, scaled by the style, then a linear layer to the pixels of each patch, in float32.

    Args:
        width: of a token.
        channels: C.
        patch: pixels of a patch, in both directions.
        ways: those that modulate add to the scale.
    """

    linear: nn.Linear

    def __init__(self, width: int, channels: int, patch: int, ways: GeneratorWays) -> None:
        super().__init__()
        self.norm = RMSNorm(width, learned=False)
        self.modulation = StyleScales(width, 1, ways)
        self.linear = image_layer(nn.Linear(width, channels * patch**2))

    def forward(self, tokens: Tensor, style: Tensor, styles: Sequence[Condition]) -> Tensor:
        """(B, T, width), SiLU of a style (B, width) and the styles of the ways -> (B, T, C * patch^2).

        Within autocast too that is float32.
        """
        (scale,) = self.modulation(style, styles)
        dtype = self.linear.weight.dtype
        with torch.autocast(tokens.device.type, enabled=False):
            return self.linear(scaled(self.norm(tokens.to(dtype)), scale.to(dtype)))  # type: ignore[no-any-return]


def image_of(patches: Tensor, grid: Size, patch: int, last: nn.Module) -> Tensor:
    """Puts patches side by side, and bounds what that gives.

    Args:
        patches: (B, T, C * patch^2).
        grid: patches (down, across).
        patch: pixels of one, in both directions.
        last: the head that made them.

    Returns:
        (B, C, H, W) in (-1, 1), where the layer says so.
    """
    pattern = "b (down across) (c y x) -> b c (down y) (across x)"
    return bounded(rearrange(patches, pattern, down=grid[0], y=patch, x=patch), last)


def patch_grid(size: Size, patch: int, where: str) -> Size:
    """Returns how many patches lie below and beside each other.

    Raises:
        UserError: if the patch does not divide (H, W); `where` is the key path of the network's arguments.
    """
    check_positive(where, patch=patch)
    if size[0] % patch or size[1] % patch:
        fitting = [side for side in range(1, min(size) + 1) if size[0] % side == 0 and size[1] % side == 0]
        raise UserError(
            f"{where}.patch: found {patch}, which does not divide images of {size[0]}x{size[1]}; expected one of "
            f"{', '.join(map(str, fitting))}, or prepare the images in another --size."
        )
    return size[0] // patch, size[1] // patch


def check_transformer(
    where: str, width: int, depth: int, heads: int | None, levels: int, levels_of_depth: bool = False
) -> int:
    """Holds the sizes of a transformer against each other, and returns the number of heads.

    Args:
        where: key path of the network's arguments, for errors.
        width: of a token.
        depth: blocks.
        heads: of attention, or null.
        levels: of a picture.
        levels_of_depth: the levels divide the blocks between them.

    Raises:
        UserError: for a size that does not fit.
    """
    check_positive(where, width=width, depth=depth, levels=levels)
    BLOCKS.check(depth, f"{where}.depth")
    BLOCKS.check(levels, f"{where}.levels")
    heads = heads or max(width // HEAD_WIDTH, 1)
    if width % (4 * heads):
        near = round(width / (4 * heads)) * 4 * heads or 4 * heads
        raise UserError(
            f"{where}.width: found {width} for {heads} heads of attention; expected a multiple of 4 for each head, "
            f"e.g. {near}. Change width or heads."
        )
    if levels_of_depth and depth % levels:
        near = max(count for count in range(1, min(levels, depth) + 1) if depth % count == 0)
        raise UserError(
            f"{where}.levels: found {levels}, which does not divide the {depth} blocks (depth); expected e.g. {near}."
        )
    return heads
