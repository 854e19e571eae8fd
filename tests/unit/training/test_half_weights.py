from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.conditioning.generator import GENERATOR_WAYS
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.losses.gradient_penalties import gradient_penalty
from cgan_dist.models import DISCRIMINATORS, GENERATORS
from cgan_dist.training.half_weights import casts_weights_at_once_

LAYOUT, LATENT_DIM, BATCH = Layout(classes=(3,), bits=2), 6, 2
CONDITION = Condition(torch.tensor([[0], [2]]), torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
SMALL: dict[str, dict[str, Any]] = {
    "dcgan": {"width": 4},
    "r3": {"width": 4, "max_width": 8, "group_size": 4, "blocks": 1},
    "resnet": {"width": 4, "max_width": 8, "attention": 8},
}
GENERATORS_OF = SMALL | {"dcgan nearest": SMALL["dcgan"] | {"upsampling": "nearest"}}
HALVES = [torch.bfloat16, torch.float16]


def generator(name: str) -> nn.Module:
    torch.manual_seed(0)
    ways = [GENERATOR_WAYS.build(way, "ways", {}, layout=LAYOUT, latent_dim=LATENT_DIM) for way in ("concat", "film")]
    args: dict[str, Any] = {"image_shape": (3, 16, 16), "latent_dim": LATENT_DIM}
    network = GENERATORS.build(
        name.split()[0], "test", GENERATORS_OF[name], **args, ways=GeneratorWays(LAYOUT, LATENT_DIM, ways)
    )
    return network.to(memory_format=torch.channels_last)  # type: ignore[no-any-return]


def discriminator(name: str) -> nn.Module:
    torch.manual_seed(0)
    names = ("channels", "projection", "auxiliary")
    ways = {way: DISCRIMINATOR_WAYS.build(way, "ways", {}, layout=LAYOUT) for way in names}
    network = DISCRIMINATORS.build(
        name, "test", SMALL[name], image_shape=(3, 16, 16), ways=DiscriminatorWays(LAYOUT, ways)
    )
    return network.to(memory_format=torch.channels_last)  # type: ignore[no-any-return]


def beside(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The network as it is, and a copy that casts at once."""
    twin = copy.deepcopy(network)
    casts_weights_at_once_(twin, "cpu")
    return network, twin


class Calls(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", SMALL)
def test_values_and_gradients_of_d_are_those_of_autocast_to_the_last_bit(name: str, half: torch.dtype) -> None:
    found = []
    for D in beside(discriminator(name)):
        images = torch.randn(BATCH, 3, 16, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
        with torch.autocast("cpu", half):
            judgement = D(images, CONDITION)
        penalty = gradient_penalty(images, judgement.logits).mean()
        (penalty + judgement.logits.float().sum() + judgement.readings["auxiliary"].float().sum()).backward()
        gradients = {name: parameter.grad for name, parameter in D.named_parameters()}
        found.append({"logits": judgement.logits, "penalty": penalty, **gradients})
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0, equal_nan=True)
    assert {tensor.dtype for tensor in list(found[1].values())[2:]} == {torch.float32}


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", GENERATORS_OF)
def test_values_and_gradients_of_g_are_those_of_autocast_to_the_last_bit(name: str, half: torch.dtype) -> None:
    found = []
    for G in beside(generator(name)):
        with torch.autocast("cpu", half):
            images = G(torch.randn(BATCH, LATENT_DIM, generator=torch.Generator().manual_seed(1)), CONDITION)
        (images * torch.linspace(0, 1, 16)).sum().backward()
        found.append({"images": images} | {name: parameter.grad for name, parameter in G.named_parameters()})
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0, equal_nan=True)


def test_one_operation_casts_and_one_casts_back() -> None:
    plain, twin = beside(discriminator("r3"))
    counts = []
    for D in (plain, twin):
        with Calls() as calls:
            with torch.autocast("cpu", torch.bfloat16):
                judgement = D(torch.randn(BATCH, 3, 16, 16), CONDITION)
            (judgement.logits.float().sum() + judgement.readings["auxiliary"].float().sum()).backward()
        counts.append(calls.names)
    layers = [module for module in plain.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    weights = sum(len(list(layer.parameters())) for layer in layers) + 2  # those of the first layer
    assert counts[0]["_to_copy"] - counts[1]["_to_copy"] == 2 * weights
    assert counts[1]["_foreach_copy_"] == 2


def test_after_the_pass_the_weights_are_the_parameters_again_also_after_an_error() -> None:
    _, D = beside(discriminator("dcgan"))
    before = [id(parameter) for parameter in D.parameters()]
    with torch.autocast("cpu", torch.bfloat16):
        D(torch.randn(BATCH, 3, 16, 16), CONDITION)
        with pytest.raises(RuntimeError, match="channels"):
            D(torch.randn(BATCH, 5, 16, 16), CONDITION)
    assert [id(parameter) for parameter in D.parameters()] == before


def test_outside_autocast_nothing_is_cast() -> None:
    plain, twin = beside(discriminator("r3"))
    images = torch.randn(BATCH, 3, 16, 16)
    with Calls() as calls:
        assert torch.equal(twin(images, CONDITION).logits, plain(images, CONDITION).logits)
    assert calls.names["_foreach_copy_"] == 0


def test_a_frozen_network_is_cast_without_a_graph() -> None:
    _, D = beside(discriminator("r3"))
    D.requires_grad_(False)
    images = torch.randn(BATCH, 3, 16, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        D(images, CONDITION).logits.float().sum().backward()
    assert images.grad is not None
    assert all(parameter.grad is None for parameter in D.parameters())


def test_what_is_compiled_casts_as_autocast_does() -> None:
    graphs: list[fx.GraphModule] = []

    def backend(graph: fx.GraphModule, inputs: list[Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    _, G = beside(generator("r3"))
    G.compile(backend=backend)
    with torch.autocast("cpu", torch.bfloat16):
        G(torch.randn(BATCH, LATENT_DIM), CONDITION)
    torch.compiler.reset()
    assert len(graphs) == 1
    assert "foreach" not in graphs[0].code


def test_a_network_without_such_weights_is_left_alone() -> None:
    network = nn.ReLU()
    casts_weights_at_once_(network, "cpu")
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.ones(1)) == 1
