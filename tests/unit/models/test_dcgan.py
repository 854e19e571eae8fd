from __future__ import annotations

import pytest
import torch
from torch import nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.conditioning.discriminator.channels import Channels
from cgan_dist.conditioning.generator.base import GeneratorWay, GeneratorWays
from cgan_dist.conditioning.generator.concat import Concat
from cgan_dist.conditioning.generator.film import Film
from cgan_dist.errors import UserError
from cgan_dist.models.dcgan import Discriminator, Generator, SameConv2d, SameConvTranspose2d, halvings

LAYOUT = Layout(classes=(3,))


def generator(shape: tuple[int, int, int], latent_dim: int, classes: int, width: int = 64) -> Generator:
    layout = Layout(classes=(classes,))
    return Generator(shape, latent_dim, GeneratorWays(layout, latent_dim, [Concat(layout, latent_dim)]), width)


def discriminator(shape: tuple[int, int, int], classes: int, width: int = 64) -> Discriminator:
    layout = Layout(classes=(classes,))
    return Discriminator(shape, DiscriminatorWays(layout, {"channels": Channels(layout)}), width)


def label(*numbers: int) -> Condition:
    return Condition.of_classes(torch.tensor(numbers))


@pytest.fixture
def original() -> tuple[Generator, Discriminator]:
    return generator((3, 28, 28), 100, 10), discriminator((3, 28, 28), 10)


def test_the_original_generator_layer_by_layer(original: tuple[Generator, Discriminator]) -> None:
    G, _ = original
    assert G.state_dict()["entry.weight"].shape == (4 * 4 * 256, 110)
    assert [type(block.norm).__name__ for block in G.blocks] == ["BatchNorm2d"] * 2
    assert not any(block.modulation.maps for block in G.blocks)
    deconvolutions = [layer for layer in G.modules() if isinstance(layer, SameConvTranspose2d)]
    assert [(d.in_channels, d.out_channels, d.target) for d in deconvolutions] == [
        (256, 128, (7, 7)),
        (128, 64, (14, 14)),
        (64, 3, (28, 28)),
    ]
    assert all(d.kernel_size == (5, 5) and d.stride == (2, 2) for d in deconvolutions)


def test_the_original_discriminator_layer_by_layer(original: tuple[Generator, Discriminator]) -> None:
    _, D = original
    assert D.state_dict()["entry.weight"].shape == (64, 3 + 10, 5, 5)
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
    assert D.head.linear.in_features == 4 * 4 * 256


def test_batch_norm_and_initialization_are_the_originals(original: tuple[Generator, Discriminator]) -> None:
    for network in original:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert (layer.eps, layer.momentum, layer.affine) == (1e-5, 0.1, True)
            bias = getattr(layer, "bias", None)
            if isinstance(bias, nn.Parameter):
                assert not bias.any()
    weight = original[1].entry.joined_weight()  # Glorot uniform over all 13 input channels, 25 taps each
    bound = (6 / (25 * 13 + 25 * 64)) ** 0.5
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.98 * bound
    assert abs(weight.std() - bound / 3**0.5) < 0.02 * bound


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 108, 108), (3, 16, 24), (1, 31, 17), (4, 64, 64)])
def test_any_size_and_number_of_channels(shape: tuple[int, int, int]) -> None:
    G, D = generator(shape, 5, 4, width=4), discriminator(shape, 4, width=4)
    images = G(torch.randn(3, 5), label(0, 1, 2))
    assert images.shape == (3, *shape)
    assert images.abs().max() < 1
    assert D(images, label(0, 1, 2)).logits.shape == (3,)


def test_the_label_changes_both_outputs(original: tuple[Generator, Discriminator]) -> None:
    G, D = (network.eval() for network in original)
    z, image = torch.randn(1, 100), torch.randn(1, 3, 28, 28)
    assert not torch.equal(G(z, label(0)), G(z, label(1)))
    assert not torch.equal(D(image, label(0)).logits, D(image, label(1)).logits)


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
    where = "generator.args"
    assert halvings((108, 108), 4, where) == [(108, 108), (54, 54), (27, 27), (14, 14), (7, 7)]
    assert halvings((28, 28), None, where) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert halvings((4, 3), None, where) == [(4, 3), (2, 2)]
    assert halvings((2, 1), None, where) == [(2, 1), (1, 1)]
    assert halvings((108, 108), 4, where, same=False) == [(108, 108), (52, 52), (24, 24), (10, 10), (3, 3)]
    assert halvings((108, 108), None, where, same=False)[-1] == (3, 3)


@pytest.mark.parametrize(
    ("size", "stages", "same", "rest"),
    [
        (28, 0, True, "found 0 halvings of a 28x28 image; expected 1 to 5, or null."),
        (28, 6, True, "found 6 halvings of a 28x28 image; expected 1 to 5, or null."),
        (30, 4, False, "found 4 halvings of a 30x30 image; expected 1 to 3, or null."),
        (1, None, True, "found 0 halvings of a 1x1 image; expected larger images."),
    ],
)
def test_impossible_halvings_name_the_whole_key(size: int, stages: int | None, same: bool, rest: str) -> None:
    with pytest.raises(UserError) as caught:
        halvings((size, size), stages, "discriminator.args", same)
    assert str(caught.value) == f"discriminator.args.stages: {rest}"


def test_the_original_for_faces_layer_by_layer() -> None:
    """108x108: G through 7, 14, 27, 54; D without padding through 52, 24, 10, 3 to 512 channels."""
    nothing = Condition.of_values(torch.empty(2, 0))
    G = Generator((3, 108, 108), 100, GeneratorWays(Layout(), 100, []), stages=4)
    D = Discriminator((3, 108, 108), DiscriminatorWays(Layout(), {}), stages=4, padding="valid")
    assert G.start == (512, 7, 7)
    assert [block.convolution.target for block in G.blocks] == [(14, 14), (27, 27), (54, 54)]
    assert [block.convolution.out_channels for block in G.blocks] == [256, 128, 64]
    assert D.head.linear.in_features == 3 * 3 * 512
    images = G(torch.randn(2, 100), nothing)
    assert images.shape == (2, 3, 108, 108)
    assert D(images, nothing).logits.shape == (2,)


@pytest.mark.parametrize("beside", [[], [Concat(LAYOUT, 5)]])
def test_film_needs_something_to_modulate(beside: list[GeneratorWay]) -> None:
    """Beside another way too: DDP would wait for gradients of film's embedding, which nothing uses."""
    with pytest.raises(UserError, match=r"one stage \(8x8 images\) has nothing to modulate; take concat"):
        Generator((3, 8, 8), 5, GeneratorWays(LAYOUT, 5, [Film(LAYOUT, 5, dim=2), *beside]))
    Generator((3, 9, 9), 5, GeneratorWays(LAYOUT, 5, [Film(LAYOUT, 5, dim=2), *beside]))


@pytest.mark.parametrize("width", [0, -4])
def test_a_width_that_is_none(width: int) -> None:
    with pytest.raises(UserError, match=rf"^generator\.args\.width: found {width}; expected 1 or more"):
        Generator((3, 28, 28), 5, GeneratorWays(LAYOUT, 5, []), width=width)
    with pytest.raises(UserError, match=rf"^discriminator\.args\.width: found {width}"):
        Discriminator((3, 28, 28), DiscriminatorWays(LAYOUT, {}), width=width)
