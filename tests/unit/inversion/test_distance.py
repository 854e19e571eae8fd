from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.inversion.distance import Distance
from tests.unit.inversion.finding import KINDS, sampler_of


class Sums:
    """A view whose features are the sums of rows."""

    def __call__(self, pictures: Tensor, condition: Condition) -> Tensor:
        return pictures.sum(3).flatten(1)


@pytest.mark.parametrize("kind", KINDS)
def test_two_random_samples_are_1_apart(kind: str) -> None:
    distance = Distance(sampler_of(kind), Sums(), 0.25)
    (z, labels), space = distance.random(4_000, seed=1), distance.sampler.label_space
    with torch.no_grad(), distance.frozen():
        made = distance.seen(distance.made(z, space.encode(labels)), space.encode(labels))
        parts = distance.between(made, type(made)(*(part.flip(0) for part in made)))
    assert 0.8 < parts.pixels.mean() < 1.25
    assert 0.8 < parts.features.mean() < 1.25
    torch.testing.assert_close(distance.whole(parts), 0.75 * parts.pixels + 0.25 * parts.features)


def test_pixels_are_compared_by_their_mean_square() -> None:
    distance = Distance(sampler_of("classes"), None, 0.9)
    assert distance.weight == 0, "there is nothing to weigh"
    one, other = torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 6, 6)
    other[0, 0, 0, :3] = 0.5
    condition = distance.sampler.label_space.encode(torch.tensor([0]))
    parts = distance.between(distance.seen(one, condition), distance.seen(other, condition))
    torch.testing.assert_close(parts.pixels * distance.scale.pixels, torch.tensor([3 * 0.25 / 36]))
    assert parts.features.tolist() == [0]


@pytest.mark.parametrize("name", PIXEL_RANGES)
def test_images_of_every_range_meet_their_pictures(name: str) -> None:
    sampler = sampler_of("classes")
    distance = Distance(sampler, None)
    images = torch.arange(256, dtype=torch.uint8)[:252].view(7, 1, 6, 6)
    sampler.pixels = PIXEL_RANGES[name]
    values = sampler.pixels.normalize(images)
    sampler.generator = type("Fixed", (torch.nn.Module,), {"forward": lambda self, z, condition: values})()
    found = distance.made(torch.zeros(7, 4), sampler.label_space.encode(torch.zeros(7, dtype=torch.int64)))
    torch.testing.assert_close(found, distance.pictures(images), atol=1e-5, rtol=0)


def test_grey_pictures_meet_a_generator_of_colour() -> None:
    distance = Distance(sampler_of("classes"), None)
    distance.shape = (3, 6, 6)
    found = distance.pictures(torch.full((2, 1, 6, 6), 255, dtype=torch.uint8))
    assert found.shape == (2, 3, 6, 6)
    assert (found == 1).all()


def test_rows_shrink_with_the_size_of_pictures() -> None:
    distance = Distance(sampler_of("classes"), None)
    assert distance.rows == 256
    distance.shape = (3, 256, 256)
    assert distance.rows == 10
    distance.shape = (3, 4096, 4096)
    assert distance.rows == 1
