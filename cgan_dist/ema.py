"""The exponential moving average of the generator, with its half-life in images."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Ema:
    """Keeps an averaged copy of a network, batch-norm statistics included.

    Every rank holds and updates its own copy; parameters stay equal over ranks because the network's are.

    Args:
        network: the raw generator, before Accelerate wraps it.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, images: int, half_life_images: float) -> None:
        """Moves the average towards `network` after `images` more images.

        Args:
            network: raw, of the same structure.
            images: since the last update.
            half_life_images: images after which an old value counts half; 0 makes the copy follow at once.
        """
        decay = 0.5 ** (images / half_life_images) if half_life_images else 0.0
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        floating = [(average, value) for average, value in pairs if average.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floating], [v for _, v in floating], 1 - decay)
        for average, value in pairs:
            if not average.is_floating_point():  # e.g. a batch counter
                average.copy_(value)


def _tensors(network: nn.Module) -> list[Tensor]:
    """Parameters and buffers themselves; a state dict may hold copies."""
    return [*network.parameters(), *network.buffers()]
