"""The buffers of a network that are state."""

from __future__ import annotations

from torch import Tensor, nn


def state_buffers(network: nn.Module) -> list[Tensor]:
    """Running batch statistics, vectors of spectral norm, counters; not constants, which no state dict has.

    The tensors are the network's own, in the order of `network.buffers()`.
    """
    return [
        buffer
        for module in network.modules()
        for name, buffer in module.named_buffers(recurse=False)
        if buffer.numel() and name not in module._non_persistent_buffers_set
    ]
