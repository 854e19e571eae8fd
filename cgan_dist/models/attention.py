"""Self-attention over the positions of a feature map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cgan_dist.errors import UserError
from cgan_dist.models.scales import Size

REDUCTION = 8


class SelfAttention(nn.Module):
    """Adds gamma times what each position sees of the others (Zhang et al. 2019, arXiv:1805.08318, eqs. 1 to 3).

    Keys, queries and values have C / 8 channels. gamma starts at 0: the layer begins as the identity, and its
    convolutions learn from the second step on. Written out, because PyTorch's fused attention has no second derivative;
    it takes (H·W)^2 values of memory per image.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // REDUCTION, 1)
        self.keys = nn.Conv2d(channels, inner, 1, bias=False)
        self.queries = nn.Conv2d(channels, inner, 1, bias=False)
        self.values = nn.Conv2d(channels, inner, 1, bias=False)
        self.output = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        keys, queries, values = (layer(features).flatten(2) for layer in (self.keys, self.queries, self.values))
        shares = (queries.transpose(1, 2) @ keys).softmax(dim=2)  # (B, H·W, H·W), of each position at each query
        seen = (values @ shares.transpose(1, 2)).unflatten(2, features.shape[2:])
        return features + self.gamma * self.output(seen)  # type: ignore[no-any-return]


def attended(attention: int | None, sizes: Sequence[Size], where: str) -> Size | None:
    """Returns the map that attention is put at: the one whose longer side is `attention`.

    Args:
        attention: in pixels; null for none.
        sizes: (H, W) of each scale. The image itself is too large for attention and the smallest map too small.
        where: key path of the network's arguments, for the error.

    Raises:
        UserError: if there is no such map.
    """
    found = [size for size in sizes[1:-1] if max(size) == attention]
    if attention is not None and not found:
        known = ", ".join(str(max(size)) for size in sizes[1:-1])
        raise UserError(
            f"{where}.attention: found {attention}, but no feature map has that size; expected one of {known}, or null "
            "for none."
        )
    return found[0] if found else None
