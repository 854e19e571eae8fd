from __future__ import annotations

import torch
from torch import nn

from cgan_dist.conditioning.channel_conv import ChannelConv2d
from cgan_dist.conditioning.condition import Layout
from cgan_dist.distributed.buffers import state_buffers


def test_statistics_are_state_and_constants_are_not() -> None:
    network = nn.Sequential(ChannelConv2d(1, Layout(classes=(3,)), 2, (8, 8)), nn.BatchNorm2d(2))
    found = state_buffers(network)
    norm = network[1]
    assert list(map(id, found)) == list(map(id, (norm.running_mean, norm.running_var, norm.num_batches_tracked)))
    assert any(buffer is network[0].taps for buffer in network.buffers())
    nn.utils.parametrizations.spectral_norm(linear := nn.Linear(2, 2))
    assert len(state_buffers(linear)) == 2
    assert all(isinstance(buffer, torch.Tensor) for buffer in found)
