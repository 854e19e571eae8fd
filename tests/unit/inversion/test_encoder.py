from __future__ import annotations

import pytest
import torch

from cgan_dist.inversion.distance import Distance
from cgan_dist.inversion.encoder import learn_encoder
from tests.unit.inversion.finding import sampler_of


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_what_it_proposes_is_nearer_than_a_random_z(latent: str) -> None:
    distance = Distance(sampler_of("classes", latent), None)  # type: ignore[arg-type]
    encoder = learn_encoder(distance, 20_000)
    z, labels = distance.random(64, seed=5)
    if latent == "normal":
        z = z / z.norm(dim=1, keepdim=True) * 2
    found = encoder(distance.sampler.images(z, labels), labels)
    assert (found - z).square().mean() < 0.4 * (z.roll(1, 0) - z).square().mean()
    assert found.shape == z.shape
    if latent == "normal":
        torch.testing.assert_close(found.norm(dim=1), torch.full((64,), 2.0))
    else:
        assert found.abs().max() <= 1


@pytest.mark.parametrize("kind", ["none", "product", "continuous"])
def test_it_is_reproducible_for_labels_of_every_kind(kind: str) -> None:
    distance = Distance(sampler_of(kind), None)
    z, labels = distance.random(3)
    images = distance.sampler.images(z, labels)
    state = torch.random.get_rng_state()
    one, other = (learn_encoder(distance, 200)(images, labels) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_its_training_ends_when_told() -> None:
    seen: list[tuple[int, int]] = []

    def go_on(done: int, total: int) -> bool:
        seen.append((done, total))
        return done < 2

    learn_encoder(Distance(sampler_of("classes"), None), 1_000, go_on)
    assert seen == [(0, 16), (1, 16), (2, 16)]
