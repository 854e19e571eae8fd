"""Colours, against the paper's products of 4x4 matrices."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cgan_dist.augment.tones import TONES, toned

GREY = torch.ones(3, dtype=torch.float64) / math.sqrt(3)


def homogeneous(part: Tensor, shift: float = 0.0) -> Tensor:
    whole = torch.eye(4, dtype=torch.float64)
    whole[:3, :3], whole[:3, 3] = part, shift
    return whole


def reference(given: dict[str, float]) -> Tensor:
    """(4, 4): brightness, contrast, luma flip, hue, saturation, each of which the next is multiplied by."""
    value = dict.fromkeys(TONES, 0.0) | given
    one, axis = torch.eye(3, dtype=torch.float64), torch.outer(GREY, GREY)
    x, y, z = GREY.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    cos, sin = math.cos(value["hue"]), math.sin(value["hue"])
    steps = [
        homogeneous(one, value["brightness"]),
        homogeneous(one * 2 ** value["contrast"]),
        homogeneous(one - 2 * axis * value["luma_flip"]),
        homogeneous(one * cos + cross * sin + axis * (1 - cos)),
        homogeneous(axis + (one - axis) * 2 ** value["saturation"]),
    ]
    whole = torch.eye(4, dtype=torch.float64)
    for step in steps:
        whole = step @ whole
    return whole


ALL = {"brightness": -0.2, "contrast": 0.4, "luma_flip": 1.0, "hue": -2.2, "saturation": -0.7}
GIVEN = [{name: value} for name, value in ALL.items()] + [ALL]


@pytest.mark.parametrize("given", GIVEN)
def test_each_change_is_what_its_matrix_says(given: dict[str, float]) -> None:
    picture = torch.rand(1, 3, 4, 5, dtype=torch.float64) * 2 - 1
    values = {name: torch.tensor([given.get(name, 0.0)], dtype=torch.float64) for name in TONES}
    whole = reference(given)
    expected = torch.einsum("ij,bjhw->bihw", whole[:3, :3], picture) + whole[:3, 3, None, None]
    torch.testing.assert_close(toned(picture, values), expected)
    assert not torch.allclose(expected, picture)


@pytest.mark.parametrize("given", GIVEN)
def test_grey_stays_grey_and_is_what_it_is_in_three_channels(given: dict[str, float]) -> None:
    grey = torch.rand(1, 1, 4, 5, dtype=torch.float64) * 2 - 1
    values = {name: torch.tensor([given.get(name, 0.0)], dtype=torch.float64) for name in TONES}
    torch.testing.assert_close(toned(grey.expand(-1, 3, -1, -1), values), toned(grey, values).expand(-1, 3, -1, -1))


def test_a_picture_that_nothing_came_to_stays_as_it_is() -> None:
    pictures = torch.rand(2, 3, 4, 5)
    values = {name: torch.tensor([0.0, 0.5]) for name in TONES}
    assert torch.equal(toned(pictures, values)[0], pictures[0])
    assert not torch.allclose(toned(pictures, values)[1], pictures[1])
    grey = pictures[:, :1]
    untouched = {name: torch.tensor([0.0, 0.5 if name in ("hue", "saturation") else 0.0]) for name in TONES}
    assert torch.equal(toned(grey, untouched), grey)
