"""The transformers, beyond the contract that all networks keep (`test_contract`)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.conditioning.generator import GENERATOR_WAYS
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.errors import UserError
from cgan_dist.losses.gradient_penalties import gradient_penalty
from cgan_dist.losses.second_derivative import second_derivative
from cgan_dist.models.transformer import Discriminator, Generator
from cgan_dist.models.transformer_block import ScaledBlock
from cgan_dist.training.half_weights import casts_weights_at_once_

CLASSES = Layout(classes=(3,))
SMALL: dict[str, Any] = {"width": 8, "depth": 4, "heads": 2, "patch": 4}
SIZES = {"S/2": (384, 12, 6), "B/2": (768, 12, 12), "XL/2": (1152, 28, 16)}
"""Width, depth and heads, as published."""


def make_generator(
    shape: tuple[int, int, int] = (2, 8, 12), layout: Layout = CLASSES, ways: Any = None, **args: Any
) -> Generator:
    torch.manual_seed(0)
    ways = {"embedding": {"dim": 4}} if ways is None else ways
    built = [GENERATOR_WAYS.build(way, "ways", own, layout=layout, latent_dim=6) for way, own in ways.items()]
    return Generator(shape, 6, GeneratorWays(layout, 6, built), **SMALL | args).eval()


def make_discriminator(
    shape: tuple[int, int, int] = (2, 8, 12), layout: Layout = CLASSES, ways: Any = None, **args: Any
) -> Discriminator:
    torch.manual_seed(0)
    ways = {"projection": {}, "auxiliary": {}} if ways is None else ways
    built = {way: DISCRIMINATOR_WAYS.build(way, "ways", own, layout=layout) for way, own in ways.items()}
    return Discriminator(shape, DiscriminatorWays(layout, built), **SMALL | args).eval()


def asked(count: int = 3) -> tuple[Tensor, Condition]:
    return torch.randn(count, 6), Condition.of_classes(torch.arange(count) % 3)


def test_levels_are_sums_of_what_heads_add_and_the_last_is_the_image() -> None:
    G = make_generator(levels=4)
    z, condition = asked()
    levels = G(z, condition, levels=True)
    assert levels.shape == (3, 4 * 2, 8, 12)
    assert torch.equal(levels[:, -2:], G(z, condition))
    before = levels.clone()
    with torch.no_grad():
        G.heads[2].linear.bias.add_(0.5)
    raised = G(z, condition, levels=True).atanh() - before.atanh()
    expected = torch.tensor([0, 0, 0.5, 0.5]).repeat_interleave(2)[:, None, None].expand(3, -1, 8, 12)
    torch.testing.assert_close(raised, expected, atol=1e-3, rtol=0)


def test_positions_alone_tell_patches_apart() -> None:
    G = make_generator((1, 8, 12))
    z, condition = asked()
    patches = G(z, condition).unfold(2, 4, 4).unfold(3, 4, 4).flatten(1, 3)
    assert all(not torch.allclose(patches[0, 0], patches[0, other]) for other in range(1, 6))
    G.positions.zero_()
    alike = G(z, condition).unfold(2, 4, 4).unfold(3, 4, 4).flatten(1, 3)
    torch.testing.assert_close(alike[:, :1].expand_as(alike), alike)


def test_a_levels_logit_is_that_of_its_own_image_where_levels_are_judged_apart() -> None:
    D = make_discriminator(levels=3, apart=True)
    images, (_, condition) = torch.randn(3, 6, 8, 12, requires_grad=True), asked()
    judgement = D(images, condition)
    assert judgement.logits.shape == (3, 3)
    assert judgement.readings["auxiliary"].shape == (3, 3)
    for level in range(3):
        (gradient,) = torch.autograd.grad(judgement.logits[:, level].sum(), images, retain_graph=True)
        assert gradient.view(3, 3, 2, 8, 12).abs().amax((0, 2, 3, 4)).bool().tolist() == [i == level for i in range(3)]
    (gradient,) = torch.autograd.grad(judgement.readings["auxiliary"].sum(), images)
    assert gradient[:, 4:].any()
    assert not gradient[:, :4].any()


def test_an_earlier_level_is_judged_at_half_the_size_of_the_next() -> None:
    D = make_discriminator(levels=3, apart=True)
    images, (_, condition) = torch.randn(3, 6, 8, 12), asked()
    quarters = images[:, :2].unfold(2, 4, 4).unfold(3, 4, 4).mean((4, 5))  # 2x3: the mean of 4x4
    same = torch.cat([quarters.repeat_interleave(4, 2).repeat_interleave(4, 3), images[:, 2:]], dim=1)
    torch.testing.assert_close(D(same, condition).logits, D(images, condition).logits)
    assert D.lengths == (1 + 1, 1 + 2, 1 + 6)


def test_together_one_logit_depends_on_all_levels() -> None:
    D = make_discriminator(levels=3)
    images, (_, condition) = torch.randn(3, 6, 8, 12, requires_grad=True), asked()
    (gradient,) = torch.autograd.grad(D(images, condition).logits.sum(), images)
    assert gradient.view(3, 3, 2, 8, 12).abs().amax((2, 3, 4)).bool().all()


@pytest.mark.parametrize("bf16", [False, True])
def test_blocks_that_are_computed_again_give_the_same_gradients(bf16: bool) -> None:
    """In half precision too, where weights of other networks are cast once for the whole pass."""
    z, condition = asked()
    found = []
    for again in (False, True):
        G, D = make_generator(checkpoint=again).train(), make_discriminator(checkpoint=again).train()
        for network in (G, D):
            casts_weights_at_once_(network, "cpu")
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            D(G(z, condition), condition).logits.sum().backward()
        found.append([p.grad for net in (G, D) for p in net.parameters() if p.grad is not None])
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


def test_blocks_that_are_computed_again_keep_less() -> None:
    kept = []
    for again in (False, True):
        D, bytes_kept = make_discriminator(checkpoint=again).train(), [0]

        def count(tensor: Tensor, total: list[int] = bytes_kept) -> Tensor:
            total[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            D(torch.randn(3, 2, 8, 12), asked()[1])
        kept.append(bytes_kept[0])
    assert kept[1] < kept[0] / 3


@pytest.mark.parametrize("again", [False, True])
def test_penalties_differentiate_twice(again: bool) -> None:
    D = make_discriminator((1, 4, 4), layout=Layout(), ways={}, patch=2, depth=1, checkpoint=again).double().train()
    nothing = Condition(torch.empty(2, 0, dtype=torch.int64), torch.empty(2, 0))
    images = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)

    def penalty(weight: Tensor) -> Tensor:
        with second_derivative(D):
            logits = torch.func.functional_call(D, {name: weight}, (images, nothing)).logits
        return gradient_penalty(images, logits).mean()

    name = "blocks.0.attention.queries_keys_values.weight"
    weight = D.get_parameter(name).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(penalty(weight), weight)
    step = torch.randn_like(weight)
    moved = [penalty((weight + sign * 1e-5 * step).detach().requires_grad_()) for sign in (1, -1)]
    torch.testing.assert_close((gradient * step).sum(), (moved[0] - moved[1]) / 2e-5, rtol=1e-6, atol=1e-9)


def test_the_last_layers_are_in_float32_and_the_others_are_not() -> None:
    G, D = make_generator(levels=2), make_discriminator(ways={"projection": {"dim": 4, "layers": 2}})
    dtypes: dict[str, torch.dtype] = {}
    for network in (G, D):
        casts_weights_at_once_(network, "cpu")
        for name, module in network.named_modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(lambda _, __, made, name=name: dtypes.__setitem__(name, made.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        image = G(*asked())
        judgement = D(image, asked()[1])
    assert image.dtype == judgement.logits.dtype == torch.float32
    last = {name for name, dtype in dtypes.items() if dtype == torch.float32}
    assert last == {"heads.0.linear", "heads.1.linear"} | {n for n in dtypes if n.startswith("head.")}
    assert "head.logits.projection.mapping.0" in last


@pytest.mark.parametrize("again", [False, True])
def test_each_network_is_one_graph(again: bool) -> None:
    G = make_generator(depth=2, levels=2, checkpoint=again, ways={"embedding": {}, "film": {}}).train()
    D = make_discriminator(depth=1, levels=2, apart=True, checkpoint=again, ways={"channels": {}, "projection": {}})
    z, condition = asked()
    shown = G(z, condition, levels=True).detach()
    torch.testing.assert_close(torch.compile(G, fullgraph=True, backend="eager")(z, condition, levels=True), shown)
    judged = torch.compile(D.train(), fullgraph=True, backend="eager")(shown, condition)
    torch.testing.assert_close(judged.logits, D(shown, condition).logits)


@torch.no_grad()
def test_the_initial_scales_are_the_papers() -> None:
    G = make_generator((4, 16, 16), width=256, heads=4, patch=2, levels=4)
    D = make_discriminator((4, 16, 16), width=256, heads=4, patch=2, ways={"projection": {"dim": 64, "std": 0.02}})
    block, scaled = G.blocks[0], D.blocks[0]
    assert isinstance(scaled, ScaledBlock)
    assert block.modulation.linear.weight.abs().max() == pytest.approx(0.1 * (6 / (5 * 256)) ** 0.5, rel=1e-2)
    assert G.heads[0].modulation.linear.weight.abs().max() == pytest.approx(0.1 * (6 / (2 * 256)) ** 0.5, rel=1e-2)
    assert G.heads[0].linear.weight.abs().max() == pytest.approx((6 / (256 + 16)) ** 0.5, rel=1e-2)
    assert block.mlp.output.weight.abs().max() == pytest.approx((6 / (682 + 256)) ** 0.5, rel=1e-2)
    assert scaled.attention_scale.eq(0.1).all()
    assert scaled.mlp_scale.eq(0.1).all()
    assert D.class_tokens.std() == pytest.approx(0.02, rel=0.2)
    assert D.head.logits["projection"].table.table.std() == pytest.approx(0.02, rel=0.2)
    biases = [p for net in (G, D) for name, p in net.named_parameters() if name.endswith("bias")]
    assert all(not bias.any() for bias in biases)
    z = torch.randn(256, 6)
    assert G.mapping(z, G.ways(z, asked(256)[1]).joined).std() == pytest.approx(0.6, abs=0.2)  # two layers, one SiLU


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def of_attention_and_mlp(width: int, heads: int) -> int:
    attention = 3 * width**2 + 3 * width + width**2 + width + 2 * (width // heads)
    inner = 2 * 4 * width // 3
    return attention + (width * 2 * inner + 2 * inner) + (inner * width + width)


@pytest.mark.parametrize(("width", "depth", "heads"), SIZES.values(), ids=SIZES)
def test_the_published_sizes_have_the_published_parameters(width: int, depth: int, heads: int) -> None:
    """Of latents of 4x32x32 in 1,000 classes, counted part by part as the published program's layers are laid out.

    It has an embedding of patches in G whose output is multiplied by 0, and in D an MLP towards features of DINOv2.
    Ours have neither, and in D a logit without the label besides.
    """
    layout, sizes = Layout(classes=(1000,)), {"width": width, "depth": depth, "heads": heads, "patch": 2, "levels": 4}
    with torch.device("meta"):
        G_ways = [GENERATOR_WAYS.build("embedding", "ways", {"dim": 64}, layout=layout, latent_dim=64)]
        G = Generator((4, 32, 32), 64, GeneratorWays(layout, 64, G_ways), **sizes)
        way = DISCRIMINATOR_WAYS.build("projection", "ways", {"dim": 2048, "layers": 2}, layout=layout)
        D = Discriminator((4, 32, 32), DiscriminatorWays(layout, {"projection": way}), **sizes)
    block = of_attention_and_mlp(width, heads) + 4 * width**2 + 4 * width
    head = (16 * width + 16) + (width**2 + width)
    mapping = 128 * width + width + width**2 + width
    unused = 16 * width + width
    published = 1000 * 64 + mapping + depth * block + 4 * head + unused
    assert parameters(G) == published - unused
    if width == 1152:
        assert round(published / 1e6) == 602  # arXiv:2605.26449, table of ImageNet-256: GAT-XL/2 602M
    d_block = of_attention_and_mlp(width, heads) + 4 * width
    label = 1000 * 2048 + 2 * (2048**2 + 2048)
    towards_features = (2048 * width + 2048) + (2048**2 + 2048) + (2048 * 768 + 768)
    last = width + 2048 * width + 2048
    published = 64 * width + width + width + depth * d_block + last + label + towards_features
    assert parameters(D) == published - towards_features + (width + 1)


def test_truncation_moves_the_style_towards_the_mean_of_its_own_label() -> None:
    G = make_generator(ways={"embedding": {"dim": 4}})
    z, condition = asked(6)
    others = torch.randn(500, 6)
    torch.testing.assert_close(G.truncated(z, condition, 1.0, others), G(z, condition))
    middle = G.truncated(z, condition, 0.0, others)
    torch.testing.assert_close(middle[:3], middle[3:])  # the same labels again
    assert not torch.allclose(middle[0], middle[1])
    style = G.mapping(others, G.ways(others, Condition.of_classes(torch.ones(500, dtype=torch.int64))).joined).mean(0)
    torch.testing.assert_close(middle[1:2], G._drawn(style[None], [], levels=False))
    far, near = ((G.truncated(z, condition, share, others) - middle).square().mean().item() for share in (0.9, 0.3))
    assert near < far / 3


def test_without_a_label_there_is_one_mean() -> None:
    G = make_generator(layout=Layout(), ways={})
    nothing = Condition(torch.empty(4, 0, dtype=torch.int64), torch.empty(4, 0))
    images = G.truncated(torch.randn(4, 6), nothing, 0.0, torch.randn(50, 6))
    torch.testing.assert_close(images, images[:1].expand_as(images))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            {"patch": 3},
            r"generator\.args\.patch: found 3, which does not divide images of 8x12; expected one of 1, 2, 4",
        ),
        ({"width": 10}, r"generator\.args\.width: found 10 for 2 heads of attention; expected a multiple of 4 .* 8\."),
        ({"levels": 3}, r"generator\.args\.levels: found 3, which does not divide the 4 blocks \(depth\); .*2\."),
        ({"depth": 100_000}, r"generator\.args\.depth"),
    ],
)
def test_what_does_not_fit_is_said(args: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make_generator(**args)


def test_what_would_be_built_for_ever_is_refused_at_once() -> None:
    with pytest.raises(UserError, match=r"discriminator\.args\.levels"):
        make_discriminator(levels=10**5, apart=True)
    with pytest.raises(UserError, match=r"projection\.layers"):
        make_discriminator(ways={"projection": {"layers": 10**5}})
