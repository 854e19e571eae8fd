"""Penalties through the networks that have them: in fp16, on a CPU, against float64; and beside compiled passes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch._dynamo.backends.debugging import aot_eager

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays, Judgement
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.losses.adversarial import NonSaturating, Terms
from cgan_dist.losses.gradient_penalties import gradient_penalty
from cgan_dist.losses.objective import Objective
from cgan_dist.losses.second_derivative import leaves_autocast_, second_derivative
from cgan_dist.models import DISCRIMINATORS
from tests.unit.half_precision import half_precision_accelerator

LAYOUT = Layout(classes=(3,))
CONDITION = Condition.of_classes(torch.arange(4) % 3)
NETWORKS: dict[str, dict[str, Any]] = {
    "r3": {"width": 8, "group_size": 4},
    "resnet": {"width": 8, "spectral": False},
    "dcgan": {"width": 8, "norm": "none"},
}
PENALTIES = ["r1", "r2", "gp"]
SCALE = 1024.0


class Silent(NonSaturating):
    """Leaves the penalties alone in the loss."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        return (real_logits * 0 + fake_logits * 0).sum(), {}


class Faint(nn.Module):
    """A discriminator whose logits are so much smaller: R1 makes them so, and its own value with their square."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, image: Tensor, condition: Condition) -> Judgement:
        judgement: Judgement = self.network(image, condition)
        return judgement._replace(logits=judgement.logits * self.factor)


def discriminator(name: str, factor: float = 1.0) -> nn.Module:
    torch.manual_seed(0)
    ways = {"channels": DISCRIMINATOR_WAYS.build("channels", "test", {}, layout=LAYOUT)}
    network = DISCRIMINATORS.build(
        name, "test", NETWORKS[name], image_shape=(1, 16, 16), ways=DiscriminatorWays(LAYOUT, ways)
    )
    return Faint(network, factor)


def images(seed: int) -> Tensor:
    return torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def penalized(D: nn.Module, name: str, weight: float = 1.0, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The penalty, and the gradients of D that a scaled loss of the penalty alone gives, unscaled, in float64."""
    objective = Objective(Silent(), {name: weight})
    real, fake, mix = (tensor.to(dtype) for tensor in (images(1), images(2), torch.tensor([0.1, 0.4, 0.6, 0.9])))
    loss, scalars = objective.discriminator(D, real, fake, CONDITION, {name: weight}, mix=mix)
    (loss * SCALE).backward()
    gradients = [p.grad.flatten().double() / SCALE for p in D.parameters() if p.grad is not None]
    return {"penalty": scalars[f"penalty/{name}"].double(), "gradients": torch.cat(gradients)}


def error(found: dict[str, Tensor], exact: dict[str, Tensor]) -> float:
    """The larger of the two relative errors."""
    return max(float(torch.dist(found[key], exact[key]) / exact[key].norm()) for key in exact)


@pytest.mark.parametrize("factor", [1.0, 1e-4])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("network", NETWORKS)
def test_in_fp16_a_penalty_and_its_gradients_are_those_of_float64(network: str, penalty: str, factor: float) -> None:
    D = discriminator(network, factor)
    exact = penalized(copy.deepcopy(D).double(), penalty, dtype=torch.float64)
    leaves_autocast_(D, "cpu")
    half = half_precision_accelerator().prepare(D)
    assert error(penalized(half, penalty), exact) < 1e-4


@pytest.mark.parametrize("network", NETWORKS)
def test_within_autocast_small_gradients_would_be_lost(network: str) -> None:
    """The reason for float32, and that the test above can fail."""
    D = discriminator(network, factor=1e-4)
    exact = penalized(copy.deepcopy(D).double(), "r1", dtype=torch.float64)
    assert error(penalized(half_precision_accelerator().prepare(D), "r1"), exact) > 0.1


@pytest.mark.parametrize("factor", [1.0, 1e-4])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("network", NETWORKS)
def test_in_bf16_the_error_is_that_of_its_digits_whatever_the_size(network: str, penalty: str, factor: float) -> None:
    """bf16 has the range of float32, so penalties stay in it: 8 bits of mantissa, through two backward passes."""
    D = discriminator(network, factor)
    exact = penalized(copy.deepcopy(D).double(), penalty, dtype=torch.float64)
    assert error(penalized(build_accelerator("bf16").prepare(D), penalty), exact) < 0.06


def watched(D: nn.Module) -> list[torch.dtype]:
    """What D's convolutions give from now on, once for each pass."""
    seen: list[torch.dtype] = []
    first = next(module for module in D.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    return seen


@pytest.mark.parametrize(
    ("penalty", "precisions"),
    [
        ("r1", [torch.float32, torch.float16]),
        ("r2", [torch.float16, torch.float32]),
        ("gp", [torch.float16, torch.float16, torch.float32]),
        ("lecam", [torch.float16, torch.float16]),
    ],
)
def test_only_what_is_differentiated_twice_is_in_float32(penalty: str, precisions: list[torch.dtype]) -> None:
    D = discriminator("dcgan")
    leaves_autocast_(D, "cpu")
    seen = watched(D)
    objective, half = Objective(NonSaturating(), {penalty: 1.0}), half_precision_accelerator().prepare(D)
    arguments = (half, images(1), images(2), CONDITION)
    objective.discriminator(*arguments, {penalty: 1.0}, mix=torch.rand(4))
    objective.discriminator(*arguments, {penalty: 0.0})  # a lazy penalty's other updates
    objective.generator(*arguments, {})
    assert seen == [*precisions, torch.float16, torch.float16, torch.float16]


def test_after_an_error_autocast_is_as_before() -> None:
    D = discriminator("dcgan")
    leaves_autocast_(D, "cpu")
    seen, half = watched(D), half_precision_accelerator().prepare(D)
    with pytest.raises(RuntimeError, match="to have 1 channels"), second_derivative(half):
        half(torch.zeros(1, 5, 16, 16), CONDITION)
    half(images(1), CONDITION)
    assert seen == [torch.float16]


@pytest.fixture
def _nothing_compiled() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("_nothing_compiled")
@pytest.mark.parametrize(("penalty", "compiled_passes"), [("r1", 4), ("r2", 4), ("gp", 6)])
def test_beside_compiled_passes_values_and_gradients_are_those_of_plain_code(
    penalty: str, compiled_passes: int
) -> None:
    """Three updates, of which the second has no penalty.

    aot_eager makes the graphs that lack a second derivative; only the code for them is not generated.
    """
    calls: list[int] = []

    def counted(graph: fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        made = aot_eager(graph, inputs)

        def call(*args: Any) -> Any:
            calls.append(1)
            return made(*args)

        return call

    plain = discriminator("dcgan").double()
    compiled = copy.deepcopy(plain)
    compiled.compile(backend=counted)
    objective = Objective(NonSaturating(), {penalty: 1.0})
    for update in range(3):
        found = []
        for D in (plain, compiled):
            D.zero_grad()
            arguments = (D, images(update).double(), images(10 + update).double(), CONDITION)
            weights = {} if update == 1 else {penalty: 1.0}
            loss, scalars = objective.discriminator(*arguments, weights, mix=torch.full((4,), 0.3))
            loss.backward()
            found.append(scalars | {name: p.grad for name, p in D.named_parameters() if p.grad is not None})
        torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-12)
    assert len(calls) == compiled_passes


@pytest.mark.usefixtures("_nothing_compiled")
def test_compiled_passes_in_fp16_are_beside_plain_ones_in_float32() -> None:
    plain = discriminator("dcgan")
    compiled = copy.deepcopy(plain)
    accelerator, found = half_precision_accelerator(), []
    for D in (plain, compiled):
        leaves_autocast_(D, "cpu")
        if D is compiled:
            D.compile(backend="aot_eager")
        half = accelerator.prepare(D)
        for weights in ({}, {"r1": 1.0}):
            loss, _ = Objective(NonSaturating(), {"r1": 1.0}).discriminator(
                half, images(1), images(2), CONDITION, weights
            )
            loss.backward()
        found.append({name: p.grad for name, p in D.named_parameters() if p.grad is not None})
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("_nothing_compiled")
def test_a_compiled_pass_alone_has_no_second_derivative() -> None:
    """The reason for plain code; when torch.compile has one, this fails and the reason is gone."""
    D = discriminator("dcgan")
    D.compile(backend="aot_eager")
    real = images(1).requires_grad_()
    with pytest.raises(RuntimeError, match="does not currently support double backward"):
        gradient_penalty(real, D(real, CONDITION).logits).mean().backward()
