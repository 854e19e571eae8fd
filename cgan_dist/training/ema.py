"""The exponential moving average of the generator, with its half-life in images."""

from __future__ import annotations

import copy
from typing import Any

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
        self._places: list[tuple[tuple[dict[str, Tensor], str], tuple[dict[str, Tensor], str]]] | None = None

    @torch.no_grad()
    def update(self, network: nn.Module, images: int, half_life_images: float) -> None:
        """Moves the average towards `network` after `images` more images.

        Args:
            network: raw, of the same structure, and the same at every call.
            images: since the last update.
            half_life_images: images after which an old value counts half; 0 makes the copy follow at once.
        """
        if self._places is None:
            self._places = list(zip(_places(self.network), _places(network), strict=True))
        decay = 0.5 ** (images / half_life_images) if half_life_images else 0.0
        averages, values = [], []
        for (own, name), (its, _) in self._places:
            average, value = own[name], its[name]
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:  # e.g. a batch counter
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)


def _places(network: nn.Module) -> list[tuple[dict[str, Tensor], str]]:
    """Where parameters and buffers are, each once; a state dict may hold copies."""
    places: dict[int, tuple[dict[str, Any], str]] = {}
    for module in network.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    places.setdefault(id(tensor), (tensors, name))
    return list(places.values())
