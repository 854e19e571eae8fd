from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.conditioning.discriminator.channels import Channels
from cgan_dist.conditioning.discriminator.projection import Projection
from cgan_dist.conditioning.generator.base import GeneratorWay, GeneratorWays, Modulation
from cgan_dist.conditioning.generator.concat import Concat
from cgan_dist.conditioning.generator.film import Film
from cgan_dist.errors import UserError
from cgan_dist.losses.gradient_penalties import gradient_penalty
from cgan_dist.models.fixup_block import BlockShape, ResidualBlock
from cgan_dist.models.r3 import Discriminator, Generator

LAYOUT, LATENT_DIM = Layout(classes=(5,)), 7
LABELS = Condition.of_classes(torch.tensor([0, 4, 2]))
STEP = 1e-8  # so small that no activation changes sides
SMALL = {"width": 4, "max_width": 8, "group_size": 4}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def generator(shape: tuple[int, int, int] = (3, 28, 28), ways: str = "concat", **args: Any) -> Generator:
    built: dict[str, GeneratorWay] = {"concat": Concat(LAYOUT, LATENT_DIM), "film": Film(LAYOUT, LATENT_DIM)}
    return Generator(shape, LATENT_DIM, GeneratorWays(LAYOUT, LATENT_DIM, [built[ways]]), **SMALL | args)


def discriminator(shape: tuple[int, int, int] = (3, 28, 28), **args: Any) -> Discriminator:
    ways = DiscriminatorWays(LAYOUT, {"channels": Channels(LAYOUT), "projection": Projection(LAYOUT)})
    return Discriminator(shape, ways, **SMALL | args)


def blocks_of(network: nn.Module) -> list[ResidualBlock]:
    return [module for module in network.modules() if isinstance(module, ResidualBlock)]


def wake(network: nn.Module) -> None:
    """Gives the layers that start at zero something to do."""
    for block in blocks_of(network):
        nn.init.normal_(block.narrow.weight, std=0.3)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 31, 17), (3, 64, 64), (2, 8, 40), (3, 256, 256)])
def test_image_sizes(shape: tuple[int, int, int]) -> None:
    G, D = generator(shape), discriminator(shape)
    images = G(torch.randn(3, LATENT_DIM), LABELS)
    assert images.shape == (3, *shape)
    assert images.abs().max() < 1
    assert D(images, LABELS).logits.shape == (3,)


def test_both_networks_layer_by_layer() -> None:
    G, D = generator(max_width=16, blocks=3), discriminator(max_width=16, blocks=3)
    assert G.basis.shape == D.basis.shape == (16, 4, 4)
    assert G.entry.latent_weight.shape == (16, LATENT_DIM)
    assert D.entry.image_weight.shape == (4, 3, 1, 1)
    assert [block.widen.in_channels for block in blocks_of(D)] == [4] * 3 + [8] * 3 + [16] * 6
    assert [block.widen.in_channels for block in blocks_of(G)] == [16] * 6 + [8] * 3 + [4] * 3
    for block in blocks_of(G) + blocks_of(D):
        channels = block.widen.in_channels
        assert block.widen.out_channels == block.mix.in_channels == block.mix.out_channels == 2 * channels
        assert block.mix.groups == 2 * channels // 4
        assert (block.narrow.out_channels, block.narrow.bias) == (channels, None)
    assert [type(transition.conv) for transition in G.transitions] == [nn.Identity, nn.Conv2d, nn.Conv2d]
    assert D.layers(torch.randn(1, 4, 28, 28)).shape == (1, 16, 4, 4)
    assert D.head.linear.in_features == 16


def test_there_is_no_normalization() -> None:
    kinds = {type(module).__module__ for network in (generator(), discriminator()) for module in network.modules()}
    assert not {kind for kind in kinds if "norm" in kind}
    assert not list(generator().buffers())


def test_initial_weights_are_fixup() -> None:
    D = discriminator(width=32, max_width=64, group_size=16, blocks=2)
    assert len(blocks_of(D)) == 8
    gain = (2 / (1 + 0.2**2)) ** 0.5 * 8**-0.25
    for block in blocks_of(D):
        for layer, inputs in ((block.widen, block.widen.in_channels), (block.mix, 9 * 16)):
            assert layer.weight.std().item() == pytest.approx(gain / inputs**0.5, rel=0.1)
            assert layer.bias is not None
            assert not layer.bias.any()
        assert not block.narrow.weight.any()


@pytest.mark.parametrize("classes", [2, 5000])
def test_the_ends_keep_the_variance_however_many_classes_there_are(classes: int) -> None:
    layout, count = Layout(classes=(classes,)), 64
    labels = Condition.of_classes(torch.randint(classes, (count,)))
    args = {"width": 64, "max_width": 64, "group_size": 16}
    G = Generator((3, 16, 16), 32, GeneratorWays(layout, 32, [Concat(layout, 32)]), **args)
    D = Discriminator((3, 16, 16), DiscriminatorWays(layout, {"channels": Channels(layout)}), **args)
    assert G.entry(torch.randn(count, 32), labels).std().item() == pytest.approx(1, rel=0.1)
    assert D.entry(torch.randn(count, 3, 16, 16), labels).std().item() == pytest.approx(1, rel=0.2)
    assert D.head.linear.weight.std().item() == pytest.approx(64**-0.5, rel=0.3)
    assert not D.head.linear.bias.any()


def test_a_block_begins_as_the_identity() -> None:
    block, x = ResidualBlock(8, BlockShape(blocks=1, expansion=2, group_size=4, total=3)), torch.randn(2, 8, 5, 6)
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)
    nn.init.normal_(block.narrow.weight)
    assert (block(x) - x).abs().max() > 0.1


def test_a_block_is_what_the_paper_draws() -> None:
    block, x = ResidualBlock(4, BlockShape(blocks=1, expansion=2, group_size=4, total=1)), torch.randn(2, 4, 5, 6)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    wide = F.leaky_relu(F.conv2d(x, block.widen.weight) + block.widen.bias[:, None, None], 0.2)
    halves = [
        F.conv2d(part, weight, padding=1)
        for part, weight in zip(wide.split(4, dim=1), block.mix.weight.split(4), strict=True)
    ]
    mixed = F.leaky_relu(torch.cat(halves, dim=1) + block.mix.bias[:, None, None], 0.2)
    torch.testing.assert_close(block(x), x + F.conv2d(mixed, block.narrow.weight), rtol=1e-4, atol=1e-4)


def test_the_ends_are_a_modulated_map_and_a_depthwise_convolution() -> None:
    G, D = generator(), discriminator()
    z, features = torch.randn(3, LATENT_DIM), torch.randn(3, 8, 4, 4)
    entered: list[Tensor] = []
    G.stages[0].register_forward_pre_hook(lambda module, inputs: entered.append(inputs[0]))
    G(z, LABELS)
    scale = G.entry(z, LABELS)
    torch.testing.assert_close(entered[0], torch.einsum("chw,bc->bchw", G.basis, scale))
    D.layers = nn.Identity()
    D.entry = ConstantEntry(features)
    given = D(torch.randn(3, 3, 28, 28), LABELS).logits
    depthwise = F.conv2d(features, D.basis[:, None], groups=8).flatten(1)
    torch.testing.assert_close(given, D.head(depthwise, LABELS).logits)


@pytest.mark.parametrize("ways", ["concat", "film"])
def test_in_half_precision_no_skip_carries_float32(ways: str) -> None:
    seen: list[torch.dtype] = []
    for network, given in (
        (generator(ways=ways), torch.randn(3, LATENT_DIM)),
        (discriminator(), torch.randn(3, 3, 28, 28)),
    ):
        for block in blocks_of(network):
            block.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].dtype))
        with torch.autocast("cpu", torch.bfloat16):
            network(given, LABELS)
    assert len(seen) == 16
    assert set(seen) == {torch.bfloat16}


class ConstantEntry(nn.Module):
    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, image: Tensor, joined: Condition) -> Tensor:
        return self.features


@pytest.mark.parametrize("ways", ["concat", "film"])
def test_the_label_acts_from_the_first_step(ways: str) -> None:
    G, z = generator(ways=ways), torch.randn(3, LATENT_DIM)
    assert all(not block.narrow.weight.any() for block in blocks_of(G))
    others = Condition.of_classes(torch.tensor([1, 3, 0]))
    assert ((G(z, LABELS) - G(z, others)).abs().flatten(1).amax(1) > 1e-4).all()
    images = G(z, LABELS)
    (images * torch.randn_like(images)).sum().backward()
    modulations = [module for module in G.modules() if isinstance(module, Modulation)]
    assert len(modulations) == 4  # one where features enter each scale
    for modulation in modulations:
        assert all(parameter.grad is not None and parameter.grad.any() for parameter in modulation.parameters())


def test_the_penalty_is_the_literal_one() -> None:
    D, images = discriminator((1, 9, 11)).double(), torch.randn(3, 1, 9, 11, dtype=torch.float64)
    wake(D)
    images.requires_grad_()
    found = gradient_penalty(images, D(images, LABELS).logits)
    for number in range(3):
        one = Condition(LABELS.ones[number : number + 1], LABELS.values[number : number + 1])
        image, rows = images[number : number + 1].detach(), []
        for place in range(image.numel()):
            step = torch.zeros(image.numel(), dtype=torch.float64)
            step[place] = 1e-6
            up, down = (D(image + sign * step.view_as(image), one).logits for sign in (1, -1))
            rows.append((up - down) / 2e-6)
        torch.testing.assert_close(torch.cat(rows).square().sum(), found[number], rtol=1e-5, atol=1e-8)


def test_the_penaltys_gradient_is_the_finite_difference() -> None:
    D, images = discriminator((2, 9, 14)).double(), torch.randn(3, 2, 9, 14, dtype=torch.float64, requires_grad=True)
    wake(D)

    def penalty() -> Tensor:
        return gradient_penalty(images, D(images, LABELS).logits).mean()

    penalty().backward()
    parameters = list(D.parameters())
    for parameter in parameters:
        direction = torch.randn_like(parameter)
        slope = (parameter.grad * direction).sum() if parameter.grad is not None else torch.zeros(()).double()
        values = []
        for sign in (1, -2):
            with torch.no_grad():
                parameter += sign * STEP * direction
            values.append(penalty().detach())
        with torch.no_grad():
            parameter += STEP * direction
        torch.testing.assert_close((values[0] - values[1]) / (2 * STEP), slope, rtol=1e-4, atol=1e-6)


def test_an_images_logit_depends_on_no_other_image() -> None:
    D, images = discriminator(), torch.randn(3, 3, 28, 28)
    wake(D)
    changed = torch.cat([images[:1], images[1:] + 1])
    torch.testing.assert_close(D(images, LABELS).logits[0], D(changed, LABELS).logits[0])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"shape": (3, 7, 32)}, r"args: found images of 7x32; .* 8x8"),
        ({"group_size": 16}, r"args\.group_size: found 16, .* 8, 16; expected a divisor of 8"),
        ({"group_size": 3, "width": 3, "max_width": 4}, r"args\.group_size: found 3, .* 6, 8; expected a divisor of 2"),
        ({"group_size": 0}, r"args\.group_size: found 0; expected 1 or more"),
        ({"blocks": 0}, r"args\.blocks: found 0"),
        ({"expansion": -1}, r"args\.expansion: found -1"),
        ({"width": 16}, r"args\.max_width: found 8, less than the 16"),
    ],
)
def test_arguments_that_do_not_fit(args: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=r"^generator\." + message):
        generator(**args)
    with pytest.raises(UserError, match=r"^discriminator\." + message):
        discriminator(**args)
