from __future__ import annotations

import pytest
import torch
from torch import nn

from cgan_dist.errors import UserError
from cgan_dist.models.attention import SelfAttention, attended

SIZES = [(64, 48), (32, 24), (16, 12), (8, 6), (4, 3)]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_it_begins_as_the_identity_and_then_learns() -> None:
    layer, features = SelfAttention(16), torch.randn(2, 16, 5, 3)
    torch.testing.assert_close(layer(features), features, rtol=0, atol=0)
    layer(features).square().sum().backward()
    assert layer.gamma.grad is not None
    assert layer.gamma.grad != 0
    with torch.no_grad():
        layer.gamma.fill_(0.5)
    layer(features).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_it_is_the_papers_formula() -> None:
    layer, features = SelfAttention(16), torch.randn(1, 16, 2, 3)
    nn.init.constant_(layer.gamma, 0.7)
    x = features[0].flatten(1).T  # (positions, channels)
    f, g, h, v = (m.weight[:, :, 0, 0] for m in (layer.keys, layer.queries, layer.values, layer.output))
    assert f.shape == g.shape == h.shape == (2, 16)
    expected = torch.empty(6, 16)
    for j in range(6):
        scores = torch.stack([(f @ x[i]) @ (g @ x[j]) for i in range(6)]).exp()
        seen = sum(scores[i] / scores.sum() * (h @ x[i]) for i in range(6))
        expected[j] = 0.7 * (v @ seen) + x[j]
    torch.testing.assert_close(layer(features)[0].flatten(1).T, expected)


def test_it_has_a_second_derivative() -> None:
    layer = SelfAttention(2).double()
    nn.init.ones_(layer.gamma)
    assert torch.autograd.gradgradcheck(layer, torch.randn(1, 2, 2, 2, dtype=torch.float64, requires_grad=True))


def test_it_is_put_where_the_longer_side_fits() -> None:
    assert attended(None, SIZES, "generator.args") is None
    assert attended(32, SIZES, "generator.args") == (32, 24)
    assert attended(8, SIZES, "generator.args") == (8, 6)


@pytest.mark.parametrize("attention", [64, 24, 4, 0])
def test_other_sizes_are_refused(attention: int) -> None:
    with pytest.raises(UserError, match=rf"discriminator\.args\.attention: found {attention}, .*one of 32, 16, 8"):
        attended(attention, SIZES, "discriminator.args")
