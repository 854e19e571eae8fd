from __future__ import annotations

import pytest
import torch

from cgan_dist.data.pixels import PIXEL_RANGES

EVERY_VALUE = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


@pytest.mark.parametrize(("name", "low", "high"), [("half", -0.5, 0.5), ("unit", -1.0, 1.0)])
def test_every_value_survives_the_round_trip(name: str, low: float, high: float) -> None:
    pixels = PIXEL_RANGES[name]
    values = pixels.normalize(EVERY_VALUE)
    assert values.dtype == torch.float32
    assert (values.min(), values.max()) == (low, high)
    assert torch.equal(pixels.to_uint8(values), EVERY_VALUE)


@pytest.mark.parametrize("name", PIXEL_RANGES)
def test_floats_are_the_way_back_without_rounding(name: str) -> None:
    pixels = PIXEL_RANGES[name]
    values = pixels.normalize(EVERY_VALUE)
    torch.testing.assert_close(pixels.to_floats(values), EVERY_VALUE.float(), atol=3e-5, rtol=0)
    further = pixels.to_floats(values - 1e-3)[EVERY_VALUE > 0]
    expected = EVERY_VALUE[EVERY_VALUE > 0] - 1e-3 * pixels.divisor
    torch.testing.assert_close(further, expected, atol=1e-4, rtol=0)
    assert pixels.to_floats(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]


def test_half_is_the_originals_formula() -> None:
    x = torch.tensor([-0.9, -0.5, 0.0, 0.25, 0.9]).view(1, 1, 1, 5)
    assert PIXEL_RANGES["half"].to_uint8(x).flatten().tolist() == [0, 0, 128, 191, 255]  # x * 255 + 128, saturated


def test_grey_is_repeated() -> None:
    values = PIXEL_RANGES["half"].normalize(EVERY_VALUE, channels=3)
    assert values.shape == (1, 3, 16, 16)
    assert torch.equal(values[:, 0], values[:, 2])
