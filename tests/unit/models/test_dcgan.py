from __future__ import annotations

import pytest
import torch
from torch import nn

from cgan_dist.conditioning.channels import ChannelConv2d
from cgan_dist.conditioning.concat import LatentConcat
from cgan_dist.errors import UserError
from cgan_dist.models.dcgan import Discriminator, Generator, SameConv2d, SameConvTranspose2d, halvings


@pytest.fixture
def original() -> tuple[Generator, Discriminator]:
    return Generator((3, 28, 28), 100, 10, LatentConcat), Discriminator((3, 28, 28), 10, ChannelConv2d)


def test_the_original_generator_layer_by_layer(original: tuple[Generator, Discriminator]) -> None:
    G, _ = original
    assert (G.entry.in_features, G.entry.out_features) == (110, 4 * 4 * 256)
    kinds = [type(layer).__name__ for layer in G.layers]
    assert kinds == [
        "SameConvTranspose2d",
        "BatchNorm2d",
        "ReLU",
        "SameConvTranspose2d",
        "BatchNorm2d",
        "ReLU",
        "SameConvTranspose2d",
        "Tanh",
    ]
    deconvolutions = [layer for layer in G.layers if isinstance(layer, SameConvTranspose2d)]
    assert [(d.in_channels, d.out_channels, d.target) for d in deconvolutions] == [
        (256, 128, (7, 7)),
        (128, 64, (14, 14)),
        (64, 3, (28, 28)),
    ]
    assert all(d.kernel_size == (5, 5) and d.stride == (2, 2) for d in deconvolutions)


def test_the_original_discriminator_layer_by_layer(original: tuple[Generator, Discriminator]) -> None:
    _, D = original
    assert D.entry.weight.shape == (64, 3 + 10, 5, 5)
    kinds = [type(layer).__name__ for layer in D.layers]
    assert kinds == [
        "BatchNorm2d",
        "LeakyReLU",
        "SameConv2d",
        "BatchNorm2d",
        "LeakyReLU",
        "SameConv2d",
        "BatchNorm2d",
        "LeakyReLU",
        "Flatten",
    ]
    assert all(layer.negative_slope == 0.1 for layer in D.layers if isinstance(layer, nn.LeakyReLU))
    assert D.head.in_features == 4 * 4 * 256


def test_batch_norm_and_initialization_are_the_originals(original: tuple[Generator, Discriminator]) -> None:
    for network in original:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert (layer.eps, layer.momentum, layer.affine) == (1e-5, 0.1, True)
            bias = getattr(layer, "bias", None)
            if isinstance(bias, nn.Parameter):
                assert not bias.any()
    weight = original[1].entry.weight  # Glorot uniform over all 13 input channels, 25 taps each
    bound = (6 / (25 * 13 + 25 * 64)) ** 0.5
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.98 * bound
    assert abs(weight.std() - bound / 3**0.5) < 0.02 * bound


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 108, 108), (3, 16, 24), (1, 31, 17), (4, 64, 64)])
def test_any_size_and_number_of_channels(shape: tuple[int, int, int]) -> None:
    G, D = Generator(shape, 5, 4, LatentConcat, width=4), Discriminator(shape, 4, ChannelConv2d, width=4)
    images = G(torch.randn(3, 5), torch.tensor([0, 1, 2]))
    assert images.shape == (3, *shape)
    assert images.abs().max() < 1
    assert D(images, torch.tensor([0, 1, 2])).shape == (3,)


def test_the_label_changes_both_outputs(original: tuple[Generator, Discriminator]) -> None:
    G, D = (network.eval() for network in original)
    z, image = torch.randn(1, 100), torch.randn(1, 3, 28, 28)
    assert not torch.equal(G(z, torch.tensor([0])), G(z, torch.tensor([1])))
    assert not torch.equal(D(image, torch.tensor([0])), D(image, torch.tensor([1])))


@pytest.mark.parametrize("size", [28, 14, 7])
def test_same_padding_puts_the_odd_pixel_at_the_bottom_and_right(size: int) -> None:
    layer = SameConv2d(1, 1, (size, size))
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    covered = layer(torch.ones(1, 1, size, size))[0, 0]
    assert covered.shape == (-(-size // 2),) * 2
    before = 1 if size % 2 == 0 else 2  # TensorFlow: total padding 3 (1 + 2) for even sizes, 4 (2 + 2) for odd
    assert covered[0, 0] == (5 - before) ** 2
    assert covered[-1, -1] == (5 - 2) ** 2


@pytest.mark.parametrize("size", [28, 14, 7, 27])
def test_the_transposed_convolution_is_the_adjoint(size: int) -> None:
    torch.manual_seed(0)
    forward, back = SameConv2d(2, 3, (size, size)).double(), SameConvTranspose2d(3, 2, (size, size)).double()
    for layer in (forward, back):
        nn.init.zeros_(layer.bias)
    back.weight.data = forward.weight.data
    x = torch.randn(1, 2, size, size, dtype=torch.float64)
    y = torch.randn_like(forward(x))
    torch.testing.assert_close((forward(x) * y).sum(), (x * back(y)).sum())


def test_stages_bound_the_halving() -> None:
    assert halvings((108, 108), 4) == [(108, 108), (54, 54), (27, 27), (14, 14), (7, 7)]
    assert halvings((28, 28), None) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert halvings((4, 3), None) == [(4, 3), (2, 2)]
    with pytest.raises(UserError, match="1x1 image"):
        halvings((1, 1), None)
    for impossible in (0, 6):
        with pytest.raises(UserError, match=r"args.stages"):
            halvings((28, 28), impossible)
