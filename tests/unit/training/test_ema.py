from __future__ import annotations

import pytest
import torch
from torch import nn

from cgan_dist.training.ema import Ema


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))


def test_after_one_half_life_old_and_new_weigh_the_same() -> None:
    net = network()
    ema = Ema(net)
    before = ema.network[0].weight.clone()
    nn.init.ones_(net[0].weight)
    ema.update(net, 64, half_life_images=128)
    ema.update(net, 64, half_life_images=128)
    torch.testing.assert_close(ema.network[0].weight, (before + 1) / 2)


def test_no_half_life_follows_at_once_statistics_included() -> None:
    net = network()
    ema = Ema(net)
    net(torch.randn(5, 3))
    nn.init.ones_(net[0].weight)
    ema.update(net, 64, half_life_images=0)
    for name, value in net.state_dict().items():
        assert torch.equal(ema.network.state_dict()[name], value)


def test_the_copy_is_in_inference_mode_and_takes_no_gradient() -> None:
    ema = Ema(network())
    assert not ema.network.training
    assert not any(parameter.requires_grad for parameter in ema.network.parameters())


@pytest.mark.parametrize("images", [1, 1000])
def test_batch_statistics_are_averaged_like_parameters(images: int) -> None:
    net = network()
    ema = Ema(net)
    net[1].running_mean.fill_(1.0)
    ema.update(net, images, half_life_images=100)
    torch.testing.assert_close(ema.network[1].running_mean, torch.full((3,), 1 - 0.5 ** (images / 100)))
