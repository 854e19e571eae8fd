from __future__ import annotations

import pytest
import torch

from cgan_dist.conditioning.concat import LatentConcat


@pytest.mark.parametrize(
    "condition", [torch.tensor([0, 9, 4]), torch.rand(3, 10, dtype=torch.float64)], ids=["index", "real"]
)
def test_fused_equals_literal_in_value_and_gradient(condition: torch.Tensor) -> None:
    torch.manual_seed(0)
    fused, literal = LatentConcat(7, 10, 5).double(), LatentConcat(7, 10, 5, literal=True).double()
    literal.load_state_dict(fused.state_dict())
    z = torch.randn(3, 7, dtype=torch.float64)
    for layer in (fused, literal):
        layer(z, condition).square().sum().backward()
    torch.testing.assert_close(fused(z, condition), literal(z, condition), rtol=0, atol=1e-12)
    torch.testing.assert_close(fused.weight.grad, literal.weight.grad, rtol=0, atol=1e-12)


def test_the_parameters_are_those_of_a_plain_linear_layer() -> None:
    plain = torch.nn.Linear(17, 5)
    plain.load_state_dict(LatentConcat(7, 10, 5).state_dict())
