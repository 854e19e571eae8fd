from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.errors import UserError
from cgan_dist.sampling.sampler import Sampler
from tests.unit.samplers import STORED, sampler_of


@pytest.fixture
def sampler() -> Sampler:
    return sampler_of("classes")


def test_every_image_has_the_label_that_was_asked(sampler: Sampler) -> None:
    images, labels = sampler.balanced(torch.tensor([7, 2]), 5)
    assert labels.tolist() == [7, 2, 7, 2, 7]
    assert images.shape == (5, 4, 4, 1)
    assert images.dtype == np.uint8
    expected = PIXEL_RANGES["half"].to_uint8(torch.tensor([0.2, -0.3])).tolist()
    assert images[:, 1, 1, 0].tolist() == [expected[0], expected[1], expected[0], expected[1], expected[0]]


def test_batches_do_not_show(sampler: Sampler) -> None:
    z, labels = torch.rand(300, 5), torch.arange(300) % 10
    assert torch.equal(sampler.images(z, labels)[290:], sampler.images(z[290:], labels[290:]))


def test_sampling_is_in_inference_mode_and_restores_the_mode(sampler: Sampler) -> None:
    sampler.generator.train()
    sampler.balanced(torch.tensor([1]), 2)
    assert sampler.generator.modes == [False]
    assert sampler.generator.training


def test_fixed_z_is_one_z_a_row_for_all_labels(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    real = sampler.images
    monkeypatch.setattr(sampler, "images", lambda z, labels: seen.append((z, labels)) or real(z, labels))
    sampler.grid(torch.tensor([0, 4, 9]), 2, "fixed")
    sampler.grid(torch.tensor([0, 4, 9]), 2, "random", 640)
    (fixed, labels), (random, _) = seen
    assert labels.tolist() == [0, 4, 9, 0, 4, 9]
    assert torch.equal(fixed[0], fixed[2])
    assert not torch.equal(fixed[0], fixed[3])
    assert len({tuple(z.tolist()) for z in random}) == 6


def test_a_grid_is_reproducible_and_random_ones_depend_on_the_position(sampler: Sampler) -> None:
    labels = torch.tensor([0, 1])
    grids = [sampler.grid(labels, 3, "random", position).tobytes() for position in (64, 64, 128)]
    assert grids[0] == grids[1] != grids[2]


@pytest.mark.parametrize("kind", STORED)
def test_labels_as_in_the_data(kind: str) -> None:
    sampler, (schema, stored) = sampler_of(kind), STORED[kind]
    images, labels = sampler.drawn(40)
    assert images.shape == (40, 4, 4, 1)
    schema.check(labels, "drawn")
    assert {str(label) for label in labels.tolist()} == {str(label) for label in stored.tolist()}
    expected = sampler.images(sampler.latents(40, "drawn"), torch.from_numpy(labels))
    assert np.array_equal(images[..., 0], expected[:, 0])
    assert np.array_equal(sampler_of(kind).drawn(40).labels, labels)
    assert kind == "none" or not np.array_equal(sampler_of(kind, seed=4).drawn(40).labels, labels)


def test_fair_is_balanced_over_classes_and_otherwise_as_in_the_data(sampler: Sampler) -> None:
    assert np.bincount(sampler.fair(20).labels).tolist() == [2] * 10
    assert set(sampler.fair(9).labels.tolist()) <= {1, 3}  # too few for all classes
    product = sampler_of("product")
    assert np.array_equal(product.fair(30).labels, product.drawn(30).labels)


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("z", ["fixed", "random"])
def test_a_grid_of_any_labels_has_their_names(kind: str, z: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = sampler_of(kind)
    drawn: list[tuple[tuple[int, ...], list[str]]] = []
    monkeypatch.setattr("cgan_dist.sampling.sampler.draw_grid", lambda cells, names: drawn.append((cells.shape, names)))
    labels = sampler.label_space.grid(4)
    sampler.grid(labels, 2, z)
    assert drawn == [((2, len(labels), 4, 4, 1), sampler.label_space.describe(labels))]


def test_given_labels_of_a_product_take_turns() -> None:
    sampler = sampler_of("product")
    labels = sampler.balanced(sampler.label_space.parse("7,hat; 0"), 3).labels
    assert labels.tolist() == [[7, 1, 0], [0, 0, 0], [7, 1, 0]]


def test_images_under_a_condition_are_those_of_its_labels(sampler: Sampler) -> None:
    z, labels = sampler.latents(6, "some"), torch.arange(6)
    condition = sampler.label_space.encode(labels)
    assert torch.equal(sampler.images_under(z, condition), sampler.images(z, labels))
    mixture = Condition.of_values(torch.tensor([[0.0] * 4 + [0.25, 0.25] + [0.0] * 4]))
    expected = PIXEL_RANGES["half"].to_uint8(torch.tensor([0.1 + 0.125 - 0.5])).item()
    assert sampler.images_under(z[:1], mixture)[0, 0, 1, 1] == expected


def test_truncation_is_of_every_draw(sampler: Sampler) -> None:
    whole = sampler.latents(50, "some", 3)
    sampler.truncate(0.25)
    assert sampler.truncation == 0.25
    assert torch.equal(sampler.latents(50, "some", 3), whole * 0.25)
    corner = sampler.drawn(50).images[:, 0, 0, 0]
    assert PIXEL_RANGES["half"].to_uint8(torch.tensor([-0.125 - 0.5])).item() <= corner.min()
    sampler.truncate(None)
    assert torch.equal(sampler.latents(50, "some", 3), whole)
    with pytest.raises(UserError, match="truncation: found 1.5; this generator's z is uniform"):
        sampler.truncate(1.5)
    assert sampler.truncation is None


def test_a_generator_with_a_style_is_truncated_there_and_its_z_stays(sampler: Sampler) -> None:
    given: list[tuple[float, Tensor]] = []

    def truncated(z: Tensor, condition: Condition, share: float, others: Tensor) -> Tensor:
        given.append((share, others))
        return sampler.generator.forward(z, condition)

    before = sampler.latents(4, "fixed_z")
    sampler.generator.truncated = truncated
    sampler.truncate(0.4)
    assert torch.equal(sampler.latents(4, "fixed_z"), before)
    sampler.images(before, torch.arange(4))
    sampler.seed += 1
    sampler.images(before, torch.arange(4))
    assert [share for share, _ in given] == [0.4, 0.4]
    assert given[0][1].shape == (256, before.shape[1])
    assert torch.equal(given[0][1], given[1][1])
    sampler.truncate(None)
    sampler.images(before, torch.arange(4))
    assert len(given) == 2
    with pytest.raises(UserError, match="has a style"):
        sampler.truncate(2.5)
