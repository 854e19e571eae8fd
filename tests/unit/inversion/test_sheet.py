from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cgan_dist.inversion.sheet import LINE, MIDDLE_LINE, curve_lines, draw_curve, draw_sheet


def test_what_is_the_same_has_a_grey_difference() -> None:
    pictures = torch.full((2, 1, 8, 8), 200, dtype=torch.uint8)
    made = pictures.expand(-1, 3, -1, -1).clone()
    made[1, :, :4] = 100
    sheet = np.asarray(draw_sheet(pictures, made, ["ant", "bee"]))
    rows = sheet[:, -75], sheet[:, -25]
    assert {200, 128} <= set(rows[0][:, 0].tolist())
    assert {100, 128, 78} <= set(rows[1][:, 0].tolist())


def test_of_many_pictures_the_first_are_drawn() -> None:
    pictures = torch.zeros(70, 1, 8, 8, dtype=torch.uint8)
    names = [str(number) for number in range(70)]
    assert draw_sheet(pictures, pictures, names).size == draw_sheet(pictures[:64], pictures[:64], names[:64]).size


@pytest.mark.parametrize("steps", [1, 2, 50])
@pytest.mark.parametrize("height", [0.0, 1e-9, 0.5, 1e4])
def test_curves_of_any_height_and_length_are_drawn(steps: int, height: float) -> None:
    curve = torch.linspace(1, 0.1, steps) * torch.tensor([[1.0], [2.0], [3.0]]) * height
    picture = np.asarray(draw_curve(curve)).reshape(-1, 3)
    colours = {tuple(colour) for colour in np.unique(picture, axis=0).tolist()}
    assert MIDDLE_LINE in colours
    assert LINE in colours or height in (0.0, 1e-9)


def test_the_curve_is_there_in_numbers() -> None:
    lines = curve_lines(["a.png", 'b"\n.png'], torch.tensor([[0.5, 1 / 3], [1.0, 0.25]])).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"picture": "a.png", "distance": [0.5, 0.333333]},
        {"picture": 'b"\n.png', "distance": [1.0, 0.25]},
    ]
