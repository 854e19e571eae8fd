from __future__ import annotations

import pytest
import torch
from torch import nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.conditioning.generator.concat import Concat
from cgan_dist.conditioning.generator.embedding import Embedding
from cgan_dist.conditioning.generator.film import Film
from tests.unit.conditioning.conditions import BATCH, layouts_and_conditions

KINDS = ["classes", "multi-hot", "real", "product", "mixture of classes"]
Z = 5


def test_no_way_leaves_z_alone() -> None:
    ways = GeneratorWays(Layout(classes=(3,)), Z, [])
    z, condition = torch.randn(2, Z), Condition.of_classes(torch.tensor([0, 2]))
    taken, layer = ways(z, condition), ways.linear(7)
    assert layer.state_dict()["weight"].shape == (7, Z)
    torch.testing.assert_close(layer(z, taken.joined), nn.functional.linear(z, layer.latent_weight, layer.bias))
    features = torch.randn(2, 4, 3, 3)
    assert ways.modulation(4)(features, taken.styles) is features


@pytest.mark.parametrize("kind", KINDS)
def test_concat_and_embedding_together_join_both(kind: str) -> None:
    layout, condition = layouts_and_conditions(10)[kind]
    concat, embedding = Concat(layout, Z), Embedding(layout, Z, dim=3)
    ways = GeneratorWays(layout, Z, [embedding, concat]).double()
    layer = ways.linear(7).double()
    z = torch.randn(BATCH, Z, dtype=torch.float64)
    whole = torch.cat([z, condition.vector(10), embedding.embed(condition)], dim=1)
    weight = layer.state_dict()["weight"]
    assert weight.shape == (7, Z + 10 + 3)
    torch.testing.assert_close(layer(z, ways(z, condition).joined), whole @ weight.T + layer.bias)


def test_the_literal_switch_reaches_the_layer() -> None:
    layout = Layout(classes=(3,))
    assert GeneratorWays(layout, Z, [Concat(layout, Z, literal=True)]).linear(7).literal
    assert not GeneratorWays(layout, Z, [Concat(layout, Z)]).linear(7).literal


def test_film_keeps_features_in_half_precision() -> None:
    layout, condition = Layout(classes=(3,)), Condition.of_classes(torch.tensor([0, 2]))
    ways = GeneratorWays(layout, Z, [Film(layout, Z)])
    features, z = torch.randn(2, 4, 3, 3, dtype=torch.bfloat16), torch.randn(2, Z)
    assert ways.modulation(4)(features, ways(z, condition).styles).dtype is torch.bfloat16


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dim", "latent"), [(None, False), (6, False), (None, True), (6, True)])
def test_film_scales_and_shifts_by_what_is_linear_in_the_style(kind: str, dim: int | None, latent: bool) -> None:
    layout, condition = layouts_and_conditions(10)[kind]
    film = Film(layout, Z, dim, latent)
    ways = GeneratorWays(layout, Z, [film]).double()
    modulation = ways.modulation(4).double()
    z, features = torch.randn(BATCH, Z, dtype=torch.float64), torch.randn(BATCH, 4, 3, 2, dtype=torch.float64)
    style = condition.vector(10) if film.shared is None else condition.vector(10) @ film.shared.matrix()
    style = torch.cat([style, z], dim=1) if latent else style
    gain, shift = (style @ modulation.maps[0].matrix()).chunk(2, dim=1)
    expected = features * (1 + gain[:, :, None, None]) + shift[:, :, None, None]
    torch.testing.assert_close(modulation(features, ways(z, condition).styles), expected)
