from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.generator.base import GeneratorWays, StyleMaps
from cgan_dist.conditioning.generator.concat import Concat
from cgan_dist.conditioning.generator.film import Film
from cgan_dist.conditioning.latent_concat import LatentConcat
from cgan_dist.directions.factorization import factorized, first_layers
from cgan_dist.errors import UserError
from tests.unit.models.test_contract import CLASSES, LATENT_DIM, PLACES, build_generator, condition_for

MATRIX = torch.randn(40, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_they_are_the_right_singular_vectors_up_to_sign() -> None:
    found = factorized(MATRIX, 7)
    _, values, vectors = np.linalg.svd(MATRIX.numpy())
    cosines = (found.vectors.double().numpy() * vectors).sum(1)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-6)
    np.testing.assert_allclose(found.strengths, values**2 / (values**2).sum(), rtol=1e-5)
    assert found.names == [f"factor {number}" for number in range(1, 8)]
    assert factorized(MATRIX, 3).names == found.names[:3]
    assert torch.equal(factorized(MATRIX, 3).vectors, found.vectors[:3])
    assert len(factorized(MATRIX, 100)) == 7


def test_a_sign_is_that_of_the_largest_entry_whatever_that_of_the_weights() -> None:
    found = factorized(MATRIX, 7).vectors
    assert (found.gather(1, found.abs().argmax(1, keepdim=True)) > 0).all()
    flipped = MATRIX * torch.tensor([1.0, -1] * 20)[:, None]
    torch.testing.assert_close(factorized(-MATRIX, 7).vectors, found)
    torch.testing.assert_close(factorized(flipped, 7).vectors, found)


def test_a_layer_that_does_not_look_at_z_has_directions_of_no_strength() -> None:
    found = factorized(torch.zeros(5, 3, dtype=torch.float64), 3)
    assert found.strengths.tolist() == [0, 0, 0]
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("ways", [["concat"], ["embedding"], ["film"], ["concat", "film"]])
@pytest.mark.parametrize(("name", "size"), PLACES)
def test_of_every_network_it_is_what_the_first_layer_makes_of_z(name: str, size: int, ways: list[str]) -> None:
    generator = build_generator(name, size, CLASSES, ways)
    matrix = first_layers(generator)
    seen: list[tuple[Tensor, Tensor]] = []
    for module in generator.modules():
        if isinstance(module, LatentConcat):
            module.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    z = torch.randn(2, 4, LATENT_DIM, generator=torch.Generator().manual_seed(0))
    for own in z:
        generator(own, condition_for(CLASSES))
    (one, before), (other, after) = seen
    expected = (other - one).double() @ matrix.T  # the same label: what is joined of it cancels
    torch.testing.assert_close((after - before).double(), expected, atol=1e-5, rtol=1e-4)


def test_what_modulates_by_z_is_seen_and_its_label_is_left_out() -> None:
    ways = GeneratorWays(CLASSES, 5, [Concat(CLASSES, 5), Film(CLASSES, 5, latent=True), Film(CLASSES, 5, dim=3)])
    network = nn.ModuleList([ways.linear(4), ways.modulation(2), ways.style_maps(3)])
    assert first_layers(network).shape == (4 + 2 * 2 + 3, 5)
    maps = network[2]
    assert isinstance(maps, StyleMaps)
    z, condition = torch.randn(2, 4, 5), condition_for(CLASSES)
    before, after = (maps(ways(own, condition).styles) for own in z)
    torch.testing.assert_close((after - before).double(), (z[1] - z[0]).double() @ first_layers(maps).T)


def test_a_network_that_builds_its_first_layer_by_itself_is_refused() -> None:
    with pytest.raises(
        UserError, match="^directions: Linear has no layer for z that was made by `ways.linear`.*--read"
    ):
        first_layers(nn.Linear(3, 4))


def test_without_labels_too() -> None:
    generator = build_generator("dcgan", 28, Layout(), [])
    assert first_layers(generator).shape[1] == LATENT_DIM
    assert isinstance(condition_for(Layout()), Condition)
