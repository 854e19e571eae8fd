from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays, Judgement
from cgan_dist.losses.adversarial import Relativistic
from cgan_dist.losses.judging import Shown, judge_both
from cgan_dist.losses.objective import Objective
from cgan_dist.models import DISCRIMINATORS

LAYOUT = Layout(classes=(3,), bits=2)
CONDITION = Condition(torch.tensor([[0], [2], [1]]), torch.tensor([[0.0, 1], [1, 1], [1, 0]], dtype=torch.float64))
NETWORKS: dict[str, dict[str, Any]] = {
    "r3": {"width": 4, "max_width": 8, "group_size": 4, "blocks": 1},
    "resnet": {"width": 4, "max_width": 8, "spectral": False},
    "dcgan": {"width": 4, "norm": "none"},
}


def pictures(seed: int) -> Tensor:
    return torch.rand(3, 2, 16, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def discriminator(name: str, **args: Any) -> nn.Module:
    torch.manual_seed(0)
    names = ("channels", "projection", "auxiliary")
    ways = {way: DISCRIMINATOR_WAYS.build(way, "ways", {}, layout=LAYOUT) for way in names}
    network = DISCRIMINATORS.build(
        name, "test", NETWORKS[name] | args, image_shape=(2, 16, 16), ways=DiscriminatorWays(LAYOUT, ways)
    )
    return network.double()  # type: ignore[no-any-return]


def passes(D: nn.Module) -> list[int]:
    """How many images each pass through D has from now on."""
    seen: list[int] = []
    D.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    return seen


@pytest.mark.parametrize("weights", [{}, {"r1": 0.3, "r2": 0.7}, {"r1": 0.3, "r2": 0.7, "gp": 2.0}])
@pytest.mark.parametrize("name", NETWORKS)
def test_one_pass_for_both_gives_the_numbers_of_two(name: str, weights: dict[str, float]) -> None:
    found = []
    for together in (True, False):
        D = discriminator(name)
        assert D.judges_alone
        D.judges_alone = together
        seen = passes(D)
        objective = Objective(Relativistic(), weights, ways={"auxiliary": D.ways.named["auxiliary"]})
        loss, scalars = objective.discriminator(
            *(D, pictures(1), pictures(2), CONDITION, objective.weights(0, 0)),
            view_real=torch.sin,
            view_fake=torch.tanh,
            mix=torch.tensor([0.1, 0.5, 0.9]),
        )
        loss.backward()
        assert seen == ([6] if together else [3, 3]) + [3] * ("gp" in weights)
        found.append(scalars | {name: parameter.grad for name, parameter in D.named_parameters()})
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-12)


def test_batch_statistics_are_those_of_reals_and_of_fakes() -> None:
    D = discriminator("dcgan", norm="batch")
    seen = passes(D)
    on_real, on_fake = judge_both(D, Shown(pictures(1)), Shown(pictures(2)), CONDITION)
    assert seen == [3, 3]
    torch.testing.assert_close(on_real.logits, D(pictures(1), CONDITION).logits)
    torch.testing.assert_close(on_fake.logits, D(pictures(2), CONDITION).logits)


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_what_is_not_differentiated_twice_is_not_there_when_the_other_is(name: str) -> None:
    D = discriminator("r3")
    seen, weights = passes(D), {name: 1.0}
    Objective(Relativistic(), weights).discriminator(D, pictures(1), pictures(2), CONDITION, weights)
    assert seen == [3, 3]


def test_a_compiled_network_sees_batches_of_one_size() -> None:
    D = discriminator("r3")
    seen = passes(D)
    torch.compiler.reset()
    D.compile(backend="eager")
    judge_both(D, Shown(pictures(1)), Shown(pictures(2)), CONDITION)
    torch.compiler.reset()
    assert seen == [3, 3]


def test_a_network_that_says_nothing_is_shown_them_apart() -> None:
    class Mean(nn.Module):
        """Compares each image with the others of its batch."""

        def forward(self, images: Tensor, condition: Condition) -> Judgement:
            means = images.flatten(1).mean(1)
            return Judgement(means - means.mean(), {})

    on_real, on_fake = judge_both(Mean(), Shown(pictures(1)), Shown(pictures(2) + 5), CONDITION)
    torch.testing.assert_close(on_real.logits.sum() + on_fake.logits.sum(), torch.zeros((), dtype=torch.float64))
