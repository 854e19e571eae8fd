from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cgan_dist.conditioning.channel_conv import ChannelConv2d
from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.auxiliary import Auxiliary
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, DiscriminatorWays
from cgan_dist.conditioning.discriminator.channels import Channels
from cgan_dist.conditioning.discriminator.projection import Projection
from cgan_dist.conditioning.generator.base import GeneratorWays, Modulation
from cgan_dist.conditioning.generator.concat import Concat
from cgan_dist.conditioning.generator.film import Film
from cgan_dist.conditioning.linear import rows_only_
from cgan_dist.errors import UserError
from cgan_dist.models.attention import SelfAttention
from cgan_dist.models.resnet import Discriminator, DownBlock, Generator, UpBlock

LAYOUT, LATENT_DIM = Layout(classes=(5,)), 7
LABELS = Condition.of_classes(torch.tensor([0, 4, 2]))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def generator(shape: tuple[int, int, int] = (3, 32, 32), **args: Any) -> Generator:
    ways = GeneratorWays(LAYOUT, LATENT_DIM, [Concat(LAYOUT, LATENT_DIM), Film(LAYOUT, LATENT_DIM)])
    return Generator(shape, LATENT_DIM, ways, **{"width": 4, "max_width": 8} | args)


def discriminator(shape: tuple[int, int, int] = (3, 32, 32), **args: Any) -> Discriminator:
    ways: dict[str, DiscriminatorWay] = {
        "channels": Channels(LAYOUT),
        "projection": Projection(LAYOUT),
        "auxiliary": Auxiliary(LAYOUT),
    }
    return Discriminator(shape, DiscriminatorWays(LAYOUT, ways), **{"width": 4, "max_width": 8} | args)


def normalized(D: nn.Module) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, weight as used and weight as learned, of each layer with spectral norm."""
    for name, module in D.named_modules():
        if parametrize.is_parametrized(module):
            for weight, chain in module.parametrizations.items():
                yield f"{name}.{weight}", getattr(module, weight), chain.original


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 48, 64), (3, 64, 64), (2, 31, 17), (3, 128, 128)])
def test_image_sizes(shape: tuple[int, int, int]) -> None:
    attention = -(-max(shape[1:]) // 4)
    G, D = generator(shape, attention=attention), discriminator(shape, attention=attention)
    images = G(torch.randn(3, LATENT_DIM), LABELS)
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1  # tanh of more than 9 rounds to 1
    assert D(images, LABELS).logits.shape == (3,)


def test_the_generator_layer_by_layer() -> None:
    G = generator((3, 64, 64), width=4, max_width=16)
    assert G.entry.latent_weight.shape == (16 * 4 * 4, LATENT_DIM)
    blocks = [block for block in G.blocks if isinstance(block, UpBlock)]
    assert [(block.skip.in_channels, block.skip.out_channels, block.target) for block in blocks] == [
        (16, 16, (8, 8)),
        (16, 16, (16, 16)),
        (16, 8, (32, 32)),
        (8, 4, (64, 64)),
    ]
    assert [block.norm1.num_features for block in blocks] == [16, 16, 16, 8]
    assert [block.norm2.num_features for block in blocks] == [16, 16, 8, 4]
    modulations = [module for module in G.modules() if isinstance(module, Modulation)]
    assert [m.maps[0].matrix().shape[1] // 2 for m in modulations] == [16, 16, 16, 16, 16, 8, 8, 4]


def test_the_discriminator_layer_by_layer() -> None:
    D = discriminator((3, 64, 64), width=4, max_width=16)
    assert D.entry.image_weight.shape == (4, 3, 3, 3)
    blocks = [block for block in D.layers if isinstance(block, DownBlock)]
    assert [(block.conv1.in_channels, block.conv1.out_channels, block.halves) for block in blocks] == [
        (4, 8, True),
        (8, 16, True),
        (16, 16, True),
        (16, 16, False),
    ]
    assert D.layers(torch.randn(1, 4, 32, 32)).shape == (1, 16, 4, 4)
    assert D.layers(torch.randn(1, 4, 32, 32)).min() == 0
    assert D.head.linear.in_features == 16


def test_an_up_block_is_what_the_paper_draws() -> None:
    block = generator().blocks[-1].eval()
    x = torch.randn(3, 8, 16, 16)
    up = nn.Upsample(scale_factor=2)
    styles = [LABELS]
    branch = F.relu(block.modulation1(block.norm1(x), styles))
    branch = F.conv2d(up(branch), block.conv1.weight, padding=1)
    branch = F.relu(block.modulation2(block.norm2(branch), styles))
    branch = F.conv2d(branch, block.conv2.weight, block.conv2.bias, padding=1)
    torch.testing.assert_close(block(x, styles), branch + block.skip(up(x)), rtol=1e-4, atol=1e-5)


def test_the_discriminators_blocks_are_what_the_paper_draws() -> None:
    D, image, pool = discriminator(spectral=False), torch.randn(3, 3, 32, 32), nn.AvgPool2d(2)
    start = pool(D.second(F.relu(D.entry(image, LABELS)))) + D.skip(pool(image))
    features = start
    for block in D.layers:
        if isinstance(block, DownBlock):
            branch = block.conv2(F.relu(block.conv1(F.relu(features))))
            features = pool(branch) + pool(block.skip(features)) if block.halves else branch + features
    torch.testing.assert_close(D.layers(start), F.relu(features), rtol=1e-4, atol=1e-5)
    expected = D.head(F.relu(features).sum((2, 3)), LABELS)
    torch.testing.assert_close(D(image, LABELS), expected, rtol=1e-4, atol=1e-4)


def test_initial_weights_are_orthogonal() -> None:
    for network in (generator(), discriminator(spectral=False)):
        found = 0
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                matrix = module.weight.flatten(1)
                small = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
                torch.testing.assert_close(small, torch.eye(len(small)), rtol=0, atol=1e-5)
                assert module.bias is None or not module.bias.any()
                found += 1
        assert found > 7


def test_spectral_norm_bounds_every_layer_that_features_pass() -> None:
    D, image = discriminator(attention=8), torch.randn(3, 3, 32, 32)
    learned = {name: original for name, _, original in normalized(D)}
    convolutions = [m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(learned) == len(convolutions) + 2  # the first convolution, and the projection's table
    assert {"entry.image_weight", "head.linear.weight", "head.logits.projection.table.table"} < learned.keys()
    assert "head.readings.auxiliary.weight" in learned
    for original in learned.values():
        nn.init.normal_(original, std=3)
    for _ in range(30):
        D(image, LABELS)
    D.eval()
    for name, weight, original in normalized(D):
        largest = torch.linalg.svdvals(weight.flatten(1))[0].item()
        assert largest == pytest.approx(1, abs=0.1), name
        assert torch.linalg.svdvals(original.flatten(1))[0] > 3, name
        ratio = original / weight
        torch.testing.assert_close(ratio, ratio.flatten()[0].expand_as(ratio))


def test_spectral_norm_leaves_what_the_planes_add() -> None:
    D = discriminator()
    assert isinstance(D.entry, ChannelConv2d)
    assert D.entry.share is not None
    assert not parametrize.is_parametrized(D.entry.share)
    assert "entry.parametrizations.image_weight.original" in D.state_dict()


def test_spectral_norm_can_be_left_out() -> None:
    assert not list(normalized(discriminator(spectral=False)))
    assert "entry.weight" in discriminator(spectral=False).state_dict()  # as one, where nothing forbids it
    with_table, without = discriminator(), discriminator(spectral_tables=False)
    assert {n for n, *_ in normalized(with_table)} - {n for n, *_ in normalized(without)} == {
        "head.logits.projection.table.table"
    }
    assert len(rows_only_(without, at_least=5)) == len(rows_only_(with_table, at_least=5)) + 1


def test_no_spectral_norm_in_the_generator() -> None:
    assert not list(normalized(generator()))


def test_two_passes_through_spectral_norm_then_one_backward_pass() -> None:
    D = discriminator()
    real, fake = torch.randn(2, 3, 3, 32, 32)
    (D(real, LABELS).logits - D(fake, LABELS).logits).sum().backward()
    grad = D.second.parametrizations.weight.original.grad
    assert grad is not None
    assert grad.any()


def test_an_images_logit_depends_on_no_other_image() -> None:
    D, images = discriminator(attention=16).eval(), torch.randn(3, 3, 32, 32)
    changed = torch.cat([images[:1], images[1:] + 1])
    torch.testing.assert_close(D(images, LABELS).logits[0], D(changed, LABELS).logits[0])


@pytest.mark.parametrize("attention", [16, 8])
def test_attention_is_at_the_map_that_is_asked_for(attention: int) -> None:
    G, D = generator(attention=attention), discriminator(attention=attention)
    seen = []
    for network in (G, D):
        (layer,) = [module for module in network.modules() if isinstance(module, SelfAttention)]
        layer.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[2:])))
    D(G(torch.randn(3, LATENT_DIM), LABELS), LABELS)
    assert seen == [(attention, attention)] * 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"shape": (3, 15, 32)}, r"args: found images of 15x32; .* 16x16"),
        ({"attention": 30}, r"args\.attention: found 30, .* one of 16, 8"),
        ({"width": 16}, r"args\.max_width: found 8, less than the 16"),
        ({"width": 0}, r"args\.width: found 0; expected 1 or more"),
    ],
)
def test_arguments_that_do_not_fit(args: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=r"^generator\." + message):
        generator(**args)
    with pytest.raises(UserError, match=r"^discriminator\." + message):
        discriminator(**args)
