from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.latent_concat import LatentConcat
from tests.unit.conditioning.conditions import BATCH, layouts_and_conditions


def derivatives(layer: LatentConcat, z: Tensor, condition: Condition) -> list[Tensor]:
    z = z.clone().requires_grad_()
    output = layer(z, condition)
    (gradient,) = torch.autograd.grad(output.tanh().sum(), z, create_graph=True)
    (output.square().mean() + gradient.square().sum()).backward()
    assert layer.share is not None
    share = torch.cat([parameter.grad for parameter in layer.share.parameters()])
    return [output.detach(), gradient.detach(), z.grad, layer.latent_weight.grad, layer.bias.grad, share]


@pytest.mark.parametrize("width", [2, 10, 40, 257])
@pytest.mark.parametrize("kind", ["classes", "multi-hot", "real", "product", "mixture of classes"])
def test_fused_equals_literal_to_the_second_derivative(kind: str, width: int) -> None:
    layout, condition = layouts_and_conditions(width)[kind]
    fused = LatentConcat(5, layout, 7).double()
    literal = LatentConcat(5, layout, 7, literal=True).double()
    literal.load_state_dict(fused.state_dict())
    z = torch.randn(BATCH, 5, dtype=torch.float64)
    for ours, theirs in zip(derivatives(fused, z, condition), derivatives(literal, z, condition), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("layout", [Layout(), Layout(classes=(10,)), Layout(bits=10), Layout(classes=(4,), reals=6)])
def test_state_dicts_interchange_with_a_linear_layer_over_the_concatenation(layout: Layout) -> None:
    layer, plain = LatentConcat(5, layout, 7), nn.Linear(5 + layout.width, 7)
    layer.load_state_dict(plain.state_dict())
    assert torch.equal(layer.joined_weight(), plain.weight)
    nn.init.normal_(layer.latent_weight)
    plain.load_state_dict(layer.state_dict())
    assert torch.equal(layer.joined_weight(), plain.weight)


def test_it_is_a_linear_layer_over_z_and_the_one_hot_label() -> None:
    layer, plain = LatentConcat(5, Layout(classes=(3,)), 7), nn.Linear(8, 7)
    layer.load_state_dict(plain.state_dict())
    z, labels = torch.randn(2, 5), torch.tensor([2, 0])
    expected = plain(torch.cat([z, nn.functional.one_hot(labels, 3).float()], dim=1))
    torch.testing.assert_close(layer(z, Condition.of_classes(labels)), expected)


@pytest.mark.parametrize("kind", ["classes", "real", "product"])
def test_in_half_precision_the_label_makes_no_float32_of_it(kind: str) -> None:
    layout, condition = layouts_and_conditions(10)[kind]
    layer, z = LatentConcat(5, layout, 7), torch.randn(BATCH, 5)
    condition = Condition(condition.ones, condition.values.float())
    exact = layer(z, condition)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(z, condition)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), exact, rtol=0.02, atol=0.05)
