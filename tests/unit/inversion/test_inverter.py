from __future__ import annotations

import dataclasses

import pytest
import torch

from cgan_dist.evaluation.metrics.classifier import Classifier
from cgan_dist.inversion.distance import Distance
from cgan_dist.inversion.inverter import Cancelled, Found, Inverter
from cgan_dist.inversion.plan import Plan
from tests.unit.inversion.finding import KINDS, QUICK, inverter_of, sampler_of, samples_of


def same(one: Found, other: Found) -> bool:
    pairs = zip(dataclasses.astuple(one), dataclasses.astuple(other), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("latent", ["normal", "uniform"])
@pytest.mark.parametrize("kind", KINDS)
def test_samples_of_every_label_space_are_found_with_their_labels(kind: str, latent: str) -> None:
    inverter = inverter_of(kind, latent)  # type: ignore[arg-type]
    images, labels = samples_of(inverter, kind)
    found = inverter.find(images)
    assert found.z.shape == (len(images), 4)
    assert found.labels.dtype == labels.dtype
    inverter.sampler.label_space.schema.check(found.labels.numpy(), "found")
    space = inverter.sampler.label_space
    off = (
        space.encode(found.labels).vector(space.layout.width) - space.encode(labels).vector(space.layout.width)
    ).abs()
    assert off.numel() == 0 or off.max() < 0.25, "an angle is found to a tenth of its range, all else exactly"
    assert (found.distance < 0.05 * found.random).all()
    again = inverter.sampler.images(found.z, found.labels)
    assert (again.float() - images.float()).abs().mean() < 12
    if latent == "uniform":
        assert found.z.abs().max() <= 1


def test_a_combination_that_the_data_lacks_is_found_by_changing_one_attribute() -> None:
    inverter = inverter_of("attributes")
    label = torch.tensor([[1, 1]], dtype=torch.uint8)
    assert not any(torch.equal(row, label[0]) for row in KINDS["attributes"][1])
    images = inverter.sampler.images(torch.tensor([[0.5, -0.5, 0.2, 0.1]]), label)
    assert torch.equal(inverter.find(images).labels, label)


def test_labels_that_are_given_stay() -> None:
    inverter = inverter_of("classes and pose")
    images, _ = samples_of(inverter, "classes and pose")
    given = torch.tensor([[2.0, 30.0]]).repeat(3, 1)
    found = inverter.find(images, given)
    assert torch.equal(found.labels, given)
    assert (found.next_distance == torch.inf).all(), "no other label was tried"


def test_the_next_best_label_is_another_one_and_farther() -> None:
    inverter = inverter_of("classes")
    images, labels = samples_of(inverter, "classes")
    found = inverter.find(images)
    assert (found.next_labels != labels).all()
    assert (found.next_distance > found.distance).all()
    assert (found.curve.diff(dim=1) <= 0).all()
    torch.testing.assert_close(found.curve[:, -1], found.distance)


def test_a_seed_decides() -> None:
    images, _ = samples_of(inverter_of("classes"), "classes")
    one, again, other = (inverter_of("classes", seed=seed).find(images) for seed in (0, 0, 1))
    assert same(one, again)
    assert not torch.equal(one.z, other.z)


@pytest.mark.parametrize("rows", [7, 12, 256])
def test_a_picture_is_found_alike_whatever_else_is_in_the_batch(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.inversion.distance.MAX_ROWS", rows)
    inverter = inverter_of("classes")
    images, _ = samples_of(inverter, "classes")
    together = inverter.find(images)
    for number in (3, 0):
        alone = inverter.find(images[[number]])
        assert torch.equal(alone.labels, together.labels[[number]])
        torch.testing.assert_close(alone.z, together.z[[number]], atol=1e-3, rtol=0)
    turned = inverter.find(images.flip(0))
    torch.testing.assert_close(turned.z.flip(0), together.z, atol=1e-3, rtol=0)


def test_it_is_asked_before_every_step_and_stops_when_told() -> None:
    inverter = inverter_of("classes", plan=Plan(steps=5, screen_steps=3, starts=2, kept=2))
    images, _ = samples_of(inverter, "classes")
    seen: list[tuple[int, int]] = []
    inverter.find(images, go_on=lambda done, total: not seen.append((done, total)))  # type: ignore[func-returns-value]
    assert seen == [(step, 8) for step in range(8)]
    with pytest.raises(Cancelled):
        inverter.find(images, go_on=lambda done, total: done < 6)


@pytest.mark.parametrize("kind", ["attributes", "product"])
def test_the_steps_that_are_told_are_those_that_are_taken(kind: str) -> None:
    inverter = inverter_of(kind, plan=Plan(steps=4, screen_steps=3, starts=2))
    images, _ = samples_of(inverter, kind)
    seen: list[tuple[int, int]] = []
    inverter.find(images, go_on=lambda done, total: not seen.append((done, total)))  # type: ignore[func-returns-value]
    assert {total for _, total in seen} == {len(seen)}


def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    inverter = inverter_of("classes", plan=Plan(steps=2, screen_steps=2, starts=3))
    images, _ = samples_of(inverter, "classes")
    monkeypatch.setattr("cgan_dist.inversion.distance.MAX_ROWS", 6)
    sizes: list[int] = []
    generator = inverter.sampler.generator
    generator.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    inverter.find(images.repeat(3, 1, 1, 1))
    assert max(sizes) == 6


def test_the_generator_is_as_it_was() -> None:
    inverter = inverter_of("classes")
    generator = inverter.sampler.generator.train()
    images, _ = samples_of(inverter, "classes")
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    inverter.find(images)
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
    assert generator.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in generator.parameters())


def test_an_encoder_proposes_the_first_start() -> None:
    sampler = sampler_of("classes")
    asked: list[torch.Size] = []

    def encoder(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        asked.append(labels.shape)
        return torch.full((len(images), 4), 0.5)

    inverter = Inverter(Distance(sampler, None), Plan(steps=1, screen_steps=1, starts=1), encoder=encoder)
    images = sampler.images(torch.full((1, 4), 0.5), torch.tensor([2]))
    found = inverter.find(images, torch.tensor([2]))
    assert asked == [(1,)]
    assert found.distance < 1e-3


def test_what_the_classifier_reads_counts_where_labels_are_compared() -> None:
    sampler = sampler_of("classes")
    classifier = Classifier(1, (6, 6), sampler.label_space.layout)
    with torch.no_grad():
        classifier.head.weight.zero_()
        classifier.head.bias.copy_(torch.tensor([0.0, 8, 0, 0]))
    images = sampler.images(torch.full((1, 4), 0.5), torch.tensor([2]))
    for weight, label in ((0.0, 2), (10.0, 1)):
        plan = dataclasses.replace(QUICK, reading_weight=weight)
        assert Inverter(Distance(sampler, None), plan, classifier).find(images).labels.tolist() == [label]


def test_what_is_no_number_is_never_best() -> None:
    class Broken(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, z: torch.Tensor, condition: object) -> torch.Tensor:
            image = (z * self.scale).sum(1)[:, None, None, None].expand(-1, 1, 6, 6).tanh()
            return torch.where(z[:, :1, None, None] > 0, image, torch.nan)

    sampler = sampler_of("none")
    sampler.generator = Broken()
    distance = Distance(sampler, None)
    distance.scale = Distance(sampler_of("none"), None).scale
    found = Inverter(distance, QUICK).find(torch.full((1, 1, 6, 6), 200, dtype=torch.uint8))
    assert found.z[0, 0] > 0
    assert found.distance.isfinite().all()
