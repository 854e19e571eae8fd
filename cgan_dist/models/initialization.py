"""Initial weights of plain layers; ways into a network initialize their own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def initialize_(network: nn.Module, weight_: Callable[[Tensor], Tensor]) -> None:
    """Initializes convolutions and linear layers in place: weights by `weight_`, biases 0.

    Args:
        network: searched for plain layers.
        weight_: such as `nn.init.xavier_uniform_` (Glorot and Bengio 2010) or `nn.init.orthogonal_` (arXiv:1809.11096).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
