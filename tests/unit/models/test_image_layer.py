from __future__ import annotations

import pytest
import torch
from torch import nn

from cgan_dist.models.image_layer import image_from, image_layer, unbounded_


def test_without_autocast_it_is_the_layer_and_tanh() -> None:
    for dtype in (torch.float32, torch.float64):
        last, features = nn.Conv2d(4, 3, 3).to(dtype), torch.randn(2, 4, 6, 5, dtype=dtype)
        assert torch.equal(image_from(features, last), last(features).tanh())


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_within_autocast_it_is_in_float32(half: torch.dtype) -> None:
    last, features = nn.ConvTranspose2d(4, 3, 3), torch.randn(2, 4, 6, 5).to(half)
    with torch.autocast("cpu", half):
        assert last(features).dtype == half
        images = image_from(features, last)
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(images, last(features.float()).tanh())


def test_a_bright_pixel_is_not_stuck() -> None:
    last = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(last.weight)
    slopes = []
    for of in (image_from, lambda features, last: last(features).tanh()):
        features = torch.full((1, 1, 1, 1), 4.0, dtype=torch.bfloat16, requires_grad=True)  # tanh(4) = 0.9993
        with torch.autocast("cpu", torch.bfloat16):
            of(features, last).sum().backward()
        assert features.grad is not None
        slopes.append(features.grad.item())
    assert slopes == [pytest.approx(1 - 0.99933**2, rel=0.01), 0]


def test_of_latents_it_is_the_layer_alone() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 1), image_layer(nn.Conv2d(4, 3, 1)))
    last, features = network[1], torch.full((1, 4, 2, 2), 100.0)
    assert isinstance(last, nn.Conv2d)
    assert image_from(features, last).abs().max() <= 1
    unbounded_(network)
    expected = last(features)
    assert expected.abs().max() > 1
    assert torch.equal(image_from(features, last), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(image_from(features, last), expected)
