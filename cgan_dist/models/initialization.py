"""Initial weights of plain layers; ways into a network initialize their own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.channel_conv import ChannelConv2d
from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.latent_concat import LatentConcat


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


def scaled_entry_(entry: LatentConcat | ChannelConv2d, inputs: int, joined: Layout, outputs: int | None = None) -> None:
    """Initializes in place: weights normal, std 1 / sqrt(inputs per output), or with `outputs` Glorot and Bengio's.

    Of a group of classes one input is not 0, however many there are.

    Args:
        entry: the first layer.
        inputs: of each output, without what is joined.
        joined: layout of what is joined.
        outputs: how many there are, for a std of sqrt(2 / (inputs + outputs)).
    """
    inputs += len(joined.classes) + joined.values
    scale = inputs**0.5 if outputs is None else ((inputs + outputs) / 2) ** 0.5
    entry.assign(torch.randn_like(entry.joined_weight()) / scale)
