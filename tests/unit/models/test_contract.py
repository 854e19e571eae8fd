"""Every network with every way and every label space; each rule of the contract is held against all of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays, Judgement
from cgan_dist.conditioning.generator import GENERATOR_WAYS
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.distributed.gradients import frozen
from cgan_dist.losses.adversarial import NonSaturating
from cgan_dist.losses.consistency_regularization import CONSISTENT, nearby
from cgan_dist.losses.gradient_penalties import gradient_penalty
from cgan_dist.losses.objective import Objective
from cgan_dist.losses.second_derivative import second_derivative
from cgan_dist.models import DISCRIMINATORS, GENERATORS

BATCH, LATENT_DIM = 4, 6
CLASSES = Layout(classes=(3,))
LAYOUTS = {
    "classes": CLASSES,
    "attributes": Layout(bits=4),
    "continuous": Layout(reals=2),
    "product": Layout(classes=(3,), bits=2),
}
SMALL: dict[str, dict[str, Any]] = {
    "dcgan": {"width": 4},
    "r3": {"width": 4, "max_width": 8, "group_size": 4, "blocks": 1},
    "resnet": {"width": 4, "max_width": 8},
    "transformer": {"width": 8, "depth": 2, "heads": 2, "patch": 4},
}
PLACES = [("dcgan", 28), ("dcgan", 32), ("r3", 28), ("r3", 32), ("resnet", 32), ("transformer", 28)]
G_WAYS = [["concat"], ["embedding"], ["film"], ["concat", "film"], ["embedding", "film"]]
D_WAYS = [["channels"], ["embedding_channels"], ["projection"], ["channels", "projection"], ["channels", "auxiliary"]]
D_WAYS_OF_CLASSES = [["projection", "d2d_ce"], ["multi_hinge"]]
TAKEN_BY_G = [(name, ways) for name in LAYOUTS for ways in G_WAYS] + [("none", [])]
TAKEN_BY_D = [
    *[(name, ways) for name in LAYOUTS for ways in D_WAYS],
    *[("classes", ways) for ways in D_WAYS_OF_CLASSES],
    ("none", []),
]
READ_ONLY = {"auxiliary", "d2d_ce", "multi_hinge"}


def condition_for(layout: Layout, shift: int = 0) -> Condition:
    """Four conditions; with another shift, each is another one."""
    image = torch.arange(BATCH)[:, None] + shift
    index, first = [], 0
    for size in layout.classes:
        index.append(image % size + first)
        first += size
    bits = (image + torch.arange(layout.bits)) % 2
    reals = (1.7 * image + torch.arange(layout.reals)).sin()
    return Condition(
        torch.cat(index, dim=1) if index else torch.empty(BATCH, 0, dtype=torch.int64), torch.cat([bits, reals], dim=1)
    )


def build_generator(name: str, size: int, layout: Layout, ways: list[str]) -> nn.Module:
    torch.manual_seed(0)
    built = [GENERATOR_WAYS.build(way, "ways", {}, layout=layout, latent_dim=LATENT_DIM) for way in ways]
    return GENERATORS.build(  # type: ignore[no-any-return]
        name,
        "generator",
        SMALL[name],
        image_shape=(2, size, size),
        latent_dim=LATENT_DIM,
        ways=GeneratorWays(layout, LATENT_DIM, built),
    )


def build_discriminator(name: str, size: int, layout: Layout, ways: list[str]) -> nn.Module:
    torch.manual_seed(0)
    built = {way: DISCRIMINATOR_WAYS.build(way, "ways", {}, layout=layout) for way in ways}
    return DISCRIMINATORS.build(  # type: ignore[no-any-return]
        name, "discriminator", SMALL[name], image_shape=(2, size, size), ways=DiscriminatorWays(layout, built)
    )


def total(judgement: Judgement) -> Tensor:
    return judgement.logits.sum() + sum(reading.sum() for reading in judgement.readings.values())


def check_gradients(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} is not used"
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), f"{name} gets no gradient"


def descend(network: nn.Module) -> None:
    """One small step, after which layers behind one that starts at zero (r3's blocks) have a gradient too."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * nn.functional.normalize(parameter.grad.flatten(), dim=0).view_as(parameter)
    network.zero_grad()


def differ(one: Tensor, other: Tensor) -> bool:
    """Whether each image's values are more than a rounding error apart."""
    return bool(((one - other).abs().view(BATCH, -1).amax(1) > 1e-5).all())


@pytest.mark.parametrize(("network", "size"), PLACES)
@pytest.mark.parametrize(("space", "ways"), TAKEN_BY_G)
def test_generator(network: str, size: int, space: str, ways: list[str]) -> None:
    layout = LAYOUTS.get(space, Layout())
    G = build_generator(network, size, layout, ways)
    z, condition = torch.randn(BATCH, LATENT_DIM), condition_for(layout)
    weight = torch.randn(BATCH, 2, size, size)
    for update in (descend, check_gradients):
        images = G(z, condition)
        assert images.shape == (BATCH, 2, size, size)
        assert images.abs().max() <= 1  # tanh of more than 9 rounds to 1
        (images * weight).sum().backward()
        update(G)
    G = build_generator(network, size, layout, ways).eval()
    assert differ(G(z, condition), G(z + 1, condition))
    if ways:
        assert differ(G(z, condition), G(z, condition_for(layout, shift=1)))


@pytest.mark.parametrize(("network", "size"), PLACES)
def test_in_half_precision_images_are_of_float32(network: str, size: int) -> None:
    G = build_generator(network, size, CLASSES, ["concat", "film"])
    with torch.autocast("cpu", torch.bfloat16):
        assert G(torch.randn(BATCH, LATENT_DIM), condition_for(CLASSES)).dtype == torch.float32


@pytest.mark.parametrize(("network", "size"), PLACES)
@pytest.mark.parametrize(("space", "ways"), TAKEN_BY_D)
def test_discriminator(network: str, size: int, space: str, ways: list[str]) -> None:
    layout = LAYOUTS.get(space, Layout())
    D = build_discriminator(network, size, layout, ways)
    image, condition, other = torch.randn(BATCH, 2, size, size), condition_for(layout), condition_for(layout, shift=1)
    for update in (descend, check_gradients):
        judgement = D(image, condition)
        assert judgement.logits.shape == (BATCH,)
        assert judgement.readings.keys() == READ_ONLY & set(ways)
        total(judgement).backward()
        update(D)
    D = build_discriminator(network, size, layout, ways).eval()
    seen, seen_with_other = D(image, condition), D(image, other)
    assert differ(seen.logits, D(image + 1, condition).logits)
    if set(ways) - READ_ONLY:
        assert differ(seen.logits, seen_with_other.logits)
    for name, reading in seen.readings.items():
        loss = D.ways.named[name].loss(reading, condition, "real")
        assert abs(loss - D.ways.named[name].loss(seen_with_other.readings[name], other, "real")) > 1e-5


@pytest.mark.parametrize(("network", "size"), PLACES)
def test_a_discriminator_that_says_so_judges_each_image_alone(network: str, size: int) -> None:
    D = build_discriminator(network, size, CLASSES, ["channels", "projection", "auxiliary", "d2d_ce"]).eval()
    for module in D.modules():
        module.train(isinstance(module, nn.BatchNorm2d))  # and power iteration rests
    images, condition = torch.randn(BATCH, 2, size, size), condition_for(CLASSES)
    together, (one, _) = D(images, condition), condition.chunk(2)
    alone = D(images[: BATCH // 2], one)
    same = [torch.allclose(together.logits[: BATCH // 2], alone.logits, rtol=1e-4, atol=1e-5)]
    same += [
        torch.allclose(reading[: BATCH // 2], alone.readings[name], rtol=1e-4, atol=1e-5)
        for name, reading in together.readings.items()
    ]
    assert all(same) == D.judges_alone


@pytest.mark.parametrize(("network", "size"), PLACES)
def test_a_copy_and_a_loaded_state_give_the_same_and_are_apart(network: str, size: int) -> None:
    z, image, condition = torch.randn(BATCH, LATENT_DIM), torch.randn(BATCH, 2, size, size), condition_for(CLASSES)

    def pair() -> tuple[nn.Module, nn.Module]:
        return (
            build_generator(network, size, CLASSES, ["concat", "film"]),
            build_discriminator(network, size, CLASSES, ["channels", "projection", "auxiliary"]),
        )

    def answers(G: nn.Module, D: nn.Module) -> tuple[Tensor, Judgement]:
        return G.eval()(z, condition), D.eval()(image, condition)

    trained = pair()
    total(trained[1](trained[0](z, condition), condition)).backward()
    for net in trained:
        descend(net)
    copies, loaded, fresh = copy.deepcopy(trained), pair(), pair()
    for net, source in zip(loaded, trained, strict=True):
        net.load_state_dict(source.state_dict())
    expected = answers(*trained)
    torch.testing.assert_close(answers(*copies), expected, rtol=0, atol=0)
    torch.testing.assert_close(answers(*loaded), expected, rtol=0, atol=0)
    assert differ(answers(*fresh)[0], expected[0])
    for net in trained:
        for parameter in net.parameters():
            nn.init.zeros_(parameter)
    torch.testing.assert_close(answers(*copies), answers(*loaded), rtol=0, atol=0)


@pytest.mark.parametrize(("network", "size"), PLACES)
@pytest.mark.parametrize("bf16", [False, True])
def test_penalties_reach_all_parameters_that_see_the_image(network: str, size: int, bf16: bool) -> None:
    D = build_discriminator(network, size, CLASSES, ["channels", "projection"])
    condition = condition_for(CLASSES)
    images = [torch.randn(BATCH, 2, size, size, requires_grad=True) for _ in range(2)]
    for update in (descend, check_gradients):
        with second_derivative(D), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            logits = [D(image, condition).logits for image in images]  # two calls, then one backward pass
        penalties = [gradient_penalty(image, logit).mean() for image, logit in zip(images, logits, strict=True)]
        assert all(penalty > 0 for penalty in penalties)
        (sum(penalties) + (logits[0] - logits[1].square()).mean()).backward()
        update(D)


@pytest.mark.parametrize(("network", "size"), PLACES)
@pytest.mark.parametrize("space", [*LAYOUTS, "none"])
def test_consistency_and_the_best_of_a_batch_reach_all_parameters(network: str, size: int, space: str) -> None:
    layout = LAYOUTS.get(space, Layout())
    G = build_generator(network, size, layout, ["concat", "film"] if layout.width else [])
    D = build_discriminator(network, size, layout, ["channels", "projection"] if layout.width else [])
    objective = Objective(NonSaturating(), dict.fromkeys([*CONSISTENT, "zcr_g"], 1.0), top_k=0.5)
    z, noise, condition = torch.randn(BATCH, LATENT_DIM), torch.randn(BATCH, LATENT_DIM), condition_for(layout)
    real, weights = torch.randn(BATCH, 2, size, size), objective.weights(0, 0)
    for update in (descend, check_gradients):
        fake, twin = G(z, condition), G(nearby(z, noise, 0.5), condition)
        twins = {"bcr_real": real.flip(3), "bcr_fake": fake.detach().flip(3), "zcr_d": twin.detach()}
        loss, scalars = objective.discriminator(D, real, fake, condition, weights, twins=twins)
        loss.backward()
        update(D)
        with frozen(D):
            loss, of_g = objective.generator(
                D, real, fake, condition, weights, twin=twin, among_all=lambda own, of: own
            )
        loss.backward()
        update(G)
        assert all((scalars | of_g)[f"penalty/{name}"] > 0 for name in objective.penalties.names)


@pytest.mark.parametrize(("network", "size"), PLACES)
def test_bf16_is_about_float32(network: str, size: int) -> None:
    G = build_generator(network, size, CLASSES, ["concat", "film"])
    D = build_discriminator(network, size, CLASSES, ["channels", "projection"])
    z, condition = torch.randn(BATCH, LATENT_DIM), condition_for(CLASSES)
    found = []
    for bf16 in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            images = G(z, condition).float()
            found.append((images, D(found[0][0] if found else images, condition).logits.float()))
    torch.testing.assert_close(found[1], found[0], rtol=0.05, atol=0.05)
