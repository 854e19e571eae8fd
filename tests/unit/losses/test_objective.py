"""The whole objective of each network against numpy, one image at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.auxiliary import Auxiliary
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, DiscriminatorWays, Judgement, Role
from cgan_dist.conditioning.discriminator.channels import Channels
from cgan_dist.conditioning.discriminator.d2d_ce import D2DCrossEntropy
from cgan_dist.config.schedule import Schedule
from cgan_dist.losses.adversarial import Hinge, NonSaturating, Relativistic
from cgan_dist.losses.objective import Objective
from cgan_dist.training.meter import Meter
from tests.unit.losses.quadratic import CONDITION, Quadratic, pictures

Array = np.ndarray
CPU = torch.device("cpu")


def softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


def test_d_minimizes_the_loss_plus_its_penalties() -> None:
    D, real, fake = Quadratic(), pictures(1), pictures(2)
    weights = {"r1": 0.3, "r2": 0.7}
    loss, scalars = Objective(Relativistic(), weights).discriminator(D, real, fake, CONDITION, weights)
    adversarial = softplus(D.logits(fake) - D.logits(real)).mean()
    r1, r2 = ((D.gradients(images) ** 2).sum(1).mean() for images in (real, fake))
    expected = {
        "loss/d": adversarial + 0.3 / 2 * r1 + 0.7 / 2 * r2,
        "loss/d_adversarial": adversarial,
        "penalty/r1": r1,
        "penalty/r2": r2,
        "logits/real": D.logits(real).mean(),
        "logits/fake": D.logits(fake).mean(),
        "d/accuracy": (D.logits(real) > D.logits(fake)).mean(),
    }
    assert {name: value.item() for name, value in scalars.items()} == pytest.approx(expected, rel=1e-12)
    assert loss.item() == scalars["loss/d"].item()
    assert not any(value.requires_grad for value in scalars.values())


def test_the_gradient_of_ds_whole_loss_is_that_of_finite_differences() -> None:
    D, real, fake, mix = Quadratic(), pictures(1), pictures(2), torch.tensor([0.2, 0.5, 0.7])
    weights = {"r1": 0.3, "r2": 0.7, "gp": 0.5}

    def loss() -> Tensor:
        objective = Objective(NonSaturating(), weights)
        return objective.discriminator(D, real, fake, CONDITION, weights, torch.tanh, torch.sin, mix)[0]

    loss().backward()
    gradient, step = D.matrix.grad, 1e-6
    assert gradient is not None
    for row, column in [(0, 0), (1, 3), (3, 2)]:
        with torch.no_grad():
            D.matrix[row, column] += step
        above = loss().item()
        with torch.no_grad():
            D.matrix[row, column] -= 2 * step
        below = loss().item()
        with torch.no_grad():
            D.matrix[row, column] += step
        assert gradient[row, column].item() == pytest.approx((above - below) / (2 * step), rel=1e-6)


def test_penalties_are_on_the_images_before_the_view() -> None:
    D, real, fake, mix = Quadratic(), pictures(1), pictures(2), torch.tensor([0.2, 0.5, 0.7])
    weights = {"r1": 1.0, "gp": 1.0}
    halved, thrice = (lambda x: x / 2), (lambda x: 3 * x)
    _, scalars = Objective(Hinge(), weights).discriminator(D, real, fake, CONDITION, weights, halved, thrice, mix)
    share = mix.double()[:, None, None, None]
    between = share * real + (1 - share) * fake
    r1 = ((D.gradients(real / 2) / 2) ** 2).sum(1).mean()
    gp = ((np.linalg.norm(D.gradients(between / 2) / 2, axis=1) - 1) ** 2).mean()
    assert scalars["penalty/r1"].item() == pytest.approx(r1, rel=1e-12)
    assert scalars["penalty/gp"].item() == pytest.approx(gp, rel=1e-12)
    assert scalars["logits/fake"].item() == pytest.approx(D.logits(3 * fake).mean(), rel=1e-12)


def test_an_update_without_penalties_costs_no_graph_and_leaves_no_mark_on_the_images() -> None:
    D, real, fake = Quadratic(), pictures(1), pictures(2)
    objective = Objective(Hinge(), {"r1": 1.0, "r2": 1.0, "gp": 1.0}, lazy_updates=2)
    _, scalars = objective.discriminator(D, real, fake, CONDITION, objective.weights(0, 1))
    assert [image.requires_grad for image in D.seen] == [False, False]
    assert not any(name.startswith("penalty/") for name in scalars)
    objective.discriminator(D, real, fake, CONDITION, objective.weights(0, 2), mix=torch.rand(3))
    assert [image.requires_grad for image in D.seen[2:]] == [True, True, True]
    assert not real.requires_grad
    assert not fake.requires_grad


def test_a_lazy_penalty_is_averaged_over_the_updates_that_have_it() -> None:
    D, meter = Quadratic(), Meter()
    objective = Objective(Hinge(), {"r1": 2.0}, lazy_updates=4)
    for update in range(8):
        batch = pictures(update), pictures(100 + update)
        meter.add(objective.discriminator(D, *batch, CONDITION, objective.weights(0, update))[1])
    expected = np.mean([(D.gradients(pictures(update)) ** 2).sum(1).mean() for update in (0, 4)])
    assert meter.means()["penalty/r1"].item() == pytest.approx(expected, rel=1e-12)
    assert meter.counts["loss/d"] == 8
    means = {name: mean.item() for name, mean in meter.means().items()}  # on average the term is gamma / 2
    assert means["loss/d"] - means["loss/d_adversarial"] == pytest.approx(2.0 / 2 * expected, rel=1e-10)


def test_g_sees_real_images_only_where_the_loss_pairs_them() -> None:
    D, real, fake = Quadratic(), pictures(1), pictures(2)
    loss, scalars = Objective(NonSaturating(), {"r1": 1.0}).generator(D, real, fake, CONDITION, {})
    assert len(D.seen) == 1
    assert loss.item() == pytest.approx(softplus(-D.logits(fake)).mean(), rel=1e-12)
    assert set(scalars) == {"loss/g"}
    loss, _ = Objective(Relativistic(), {}).generator(D, real, fake, CONDITION, {}, torch.tanh, torch.sin)
    assert len(D.seen) == 3
    expected = softplus(D.logits(torch.tanh(real)) - D.logits(torch.sin(fake))).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_lecam_takes_part_from_the_second_update_on_and_survives_a_checkpoint() -> None:
    D, real, fake = Quadratic(), pictures(1), pictures(2)
    weights = {"lecam": 0.5}
    objective, restored = Objective(Hinge(), weights), Objective(Hinge(), weights)
    assert "penalty/lecam" not in objective.discriminator(D, real, fake, CONDITION, weights)[1]
    objective.finish_update()
    restored.restore(load(save(objective.state())), CPU)
    for each in (objective, restored):
        of_reals, of_fakes = D.logits(real).mean(), D.logits(fake).mean()
        loss, scalars = each.discriminator(D, pictures(3), pictures(4), CONDITION, weights)
        above, below = D.logits(pictures(3)) - of_fakes, of_reals - D.logits(pictures(4))
        expected = (np.maximum(0, above) ** 2).mean() + (np.maximum(0, below) ** 2).mean()
        assert scalars["penalty/lecam"].item() == pytest.approx(expected, rel=1e-12)
        assert (loss - scalars["loss/d_adversarial"]).item() == pytest.approx(0.5 * expected, rel=1e-12)


def test_an_objective_without_memory_saves_nothing_and_takes_anything() -> None:
    plain = Objective(Hinge(), {"r1": 1.0})
    plain.finish_update()
    assert plain.state() == {}
    plain.restore(load(save({"lecam": torch.zeros(2)})), CPU)
    assert plain.state() == {}
    late = Objective(Hinge(), {"lecam": Schedule[float](start=0.0, end=1.0, end_images=640, shape="step")})
    late.discriminator(Quadratic(), pictures(1), pictures(2), CONDITION, late.weights(0, 0))
    late.finish_update()
    assert late.state()["lecam"].shape == (2,)  # before it weighs anything


@pytest.mark.parametrize(
    ("penalties", "gradients", "mix", "noisy"),
    [
        ({}, [], False, []),
        ({"lecam": 1.0}, [], False, []),
        ({"gp": 1.0, "r1": 1.0}, ["r1", "gp"], True, []),
        ({"r2": 0, "r2_approximate": 0}, [], False, []),
        ({"r2_approximate": 0.1}, [], False, ["r2_approximate"]),
    ],
)
def test_it_says_what_it_needs(penalties: dict[str, float], gradients: list[str], mix: bool, noisy: list[str]) -> None:
    objective = Objective(Hinge(), penalties)
    assert objective.noisy_penalties == noisy
    assert objective.penalties.augmented == []
    assert objective.penalties.nearby == ""
    assert objective.gradient_penalties == gradients
    assert objective.needs_mix == mix


@pytest.mark.parametrize(
    ("penalties", "augmented", "nearby"),
    [
        ({"bcr_real": 1.0, "zcr_g": 1.0}, ["bcr_real"], "G"),
        ({"bcr_fake": 1.0, "bcr_real": 1.0, "zcr_d": 1.0, "zcr_g": 1.0}, ["bcr_real", "bcr_fake"], "DG"),
        ({"bcr_fake": 0.0, "zcr_d": 1.0, "zcr_g": 0.0}, [], "D"),
    ],
)
def test_it_says_what_twins_it_needs(penalties: dict[str, float], augmented: list[str], nearby: str) -> None:
    objective = Objective(Hinge(), penalties)
    assert objective.penalties.augmented == augmented
    assert objective.penalties.nearby == nearby
    assert objective.gradient_penalties == objective.noisy_penalties == []


def test_what_is_a_step_away_is_shown_as_the_image_is() -> None:
    D, real, fake = Quadratic(), pictures(1), pictures(2)
    noise = {"r1_approximate": pictures(3), "r2_approximate": pictures(4)}
    weights = dict.fromkeys(noise, 1.0)
    views = (lambda images: 2 * images, lambda images: 3 * images)
    Objective(Hinge(), weights).discriminator(D, real, fake, CONDITION, weights, *views, noise=noise)
    expected = [2 * real, 3 * fake]
    expected += [2 * (real + 0.01 * noise["r1_approximate"]), 3 * (fake + 0.01 * noise["r2_approximate"])]
    assert all(torch.equal(*pair) for pair in zip(D.seen, expected, strict=True))


class Reader(nn.Module):
    """A discriminator of one linear layer and the head that its ways make."""

    def __init__(self, ways: dict[str, DiscriminatorWay]) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.head = DiscriminatorWays(Layout(classes=(3,)), ways).head(4)
        self.double()

    def forward(self, image: Tensor, condition: Condition) -> Judgement:
        judgement: Judgement = self.head(image.flatten(1), condition)
        return judgement


def cross_entropy(D: Reader, images: Tensor, labels: list[int]) -> float:
    """Mean over images of -log softmax(scores)[label], one image at a time."""
    layer = D.head.readings["auxiliary"]
    weight, bias = (parameter.detach().numpy() for parameter in (layer.weight, layer.bias))
    costs = []
    for image, label in zip(images.numpy(), labels, strict=True):
        scores = weight @ image.ravel() + bias
        costs.append(np.log(np.exp(scores).sum()) - scores[label])
    return float(np.mean(costs))


def linear(D: Reader, images: Tensor) -> Array:
    weight, bias = D.head.linear.weight.detach().numpy(), D.head.linear.bias.detach().numpy()
    return np.array([weight[0] @ image.ravel() + bias[0] for image in images.numpy()])


@pytest.mark.parametrize("on_fakes", [False, True])
def test_both_networks_pay_for_labels_that_are_read_wrong(on_fakes: bool) -> None:
    layout, labels, real, fake = Layout(classes=(3,)), [2, 0, 1], pictures(1), pictures(2)
    ways: dict[str, Any] = {
        "channels": Channels(layout),
        "auxiliary": Auxiliary(layout, weight=0.25, on_fakes=on_fakes),
    }
    D, condition = Reader(ways), Condition.of_classes(torch.tensor(labels))
    objective = Objective(Hinge(), {}, ways=ways)
    of_d = cross_entropy(D, real, labels) + on_fakes * cross_entropy(D, fake, labels)
    loss, scalars = objective.discriminator(D, real, fake, condition, objective.weights(0, 0))
    hinge = np.maximum(0, 1 - linear(D, real)).mean() + np.maximum(0, 1 + linear(D, fake)).mean()
    assert scalars["aux/auxiliary_d"].item() == pytest.approx(of_d, rel=1e-12)
    assert scalars["loss/d_adversarial"].item() == pytest.approx(hinge, rel=1e-12)
    assert loss.item() == pytest.approx(hinge + 0.25 * of_d, rel=1e-12)
    loss, scalars = objective.generator(D, real, fake, condition, objective.weights(0, 0))
    of_g = cross_entropy(D, fake, labels)
    assert {name: value.item() for name, value in scalars.items()} == pytest.approx(
        {"loss/g": -linear(D, fake).mean() + 0.25 * of_g, "loss/g_adversarial": -linear(D, fake).mean()}
        | {"aux/auxiliary_g": of_g},
        rel=1e-12,
    )
    assert loss.item() == scalars["loss/g"].item()


def test_several_ways_add_up_and_each_has_its_scalars() -> None:
    layout, condition = Layout(classes=(3,)), Condition.of_classes(torch.tensor([2, 0, 1]))
    ways = {"auxiliary": Auxiliary(layout, weight=2.0), "d2d_ce": D2DCrossEntropy(layout, dim=5, weight=0.5)}
    objective = Objective(Hinge(), {}, ways=ways)
    weights = objective.weights(0, 0)
    loss, scalars = objective.generator(Reader(ways), pictures(1), pictures(2), condition, weights)
    expected = scalars["loss/g_adversarial"] + 2.0 * scalars["aux/auxiliary_g"] + 0.5 * scalars["aux/d2d_ce_g"]
    torch.testing.assert_close(loss, expected)


def test_a_way_is_told_whose_images_it_reads() -> None:
    told: list[tuple[Role, bool]] = []
    real, fake, condition = pictures(1), pictures(2), Condition.of_classes(torch.tensor([2, 0, 1]))

    class Listener(Auxiliary):
        def loss(self, reading: Tensor, condition: Condition, role: Role) -> Tensor | None:
            told.append((role, torch.equal(reading, D.head.readings["mine"](real.flatten(1), condition))))
            return None

    ways: dict[str, DiscriminatorWay] = {"mine": Listener(Layout(classes=(3,)))}
    D, objective = Reader(ways), Objective(Hinge(), {}, ways=ways)
    scalars = objective.discriminator(D, real, fake, condition, objective.weights(0, 0))[1]
    assert told == [("real", True), ("fake", False)]
    scalars |= objective.generator(D, real, fake, condition, objective.weights(0, 0))[1]
    assert told[2:] == [("generator", False)]
    assert not any(name.startswith("aux/") for name in scalars)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_every_parameter_of_d_has_a_gradient_in_every_update(weight: float) -> None:
    """DDP waits for all of them."""
    layout, condition = Layout(classes=(3,)), Condition.of_classes(torch.tensor([2, 0, 1]))
    ways = {"auxiliary": Auxiliary(layout, weight=weight), "d2d_ce": D2DCrossEntropy(layout, dim=5, weight=weight)}
    D = Reader(ways)
    objective = Objective(Hinge(), {}, ways=ways)
    weights = objective.weights(0, 0)
    objective.discriminator(D, pictures(1), pictures(2), condition, weights)[0].backward()
    assert all(parameter.grad is not None for parameter in D.parameters())


def test_ways_without_a_loss_change_nothing() -> None:
    layout, condition = Layout(classes=(3,)), Condition.of_classes(torch.tensor([2, 0, 1]))
    ways: dict[str, DiscriminatorWay] = {"channels": Channels(layout)}
    D = Reader(ways)
    with_ways = Objective(Hinge(), {}, ways=ways).discriminator(D, pictures(1), pictures(2), condition, {})
    without = Objective(Hinge(), {}).discriminator(D, pictures(1), pictures(2), condition, {})
    assert with_ways == without


def test_logits_in_half_precision_are_averaged_in_float32() -> None:
    class Half(nn.Module):
        def forward(self, image: Tensor, condition: Condition) -> Judgement:
            return Judgement(image.flatten(1).sum(1).bfloat16(), {})

    images = torch.full((1000, 1, 1, 1), 0.1)
    condition = Condition.of_classes(torch.zeros(1000, dtype=torch.int64))
    loss, scalars = Objective(Hinge(), {}).discriminator(Half(), images, -images, condition, {})
    exact = float(torch.tensor(0.1).bfloat16())
    assert scalars["logits/real"].item() == pytest.approx(exact, rel=1e-5)
    assert loss.item() == pytest.approx(2 * (1 - exact), rel=1e-5)
