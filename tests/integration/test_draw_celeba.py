from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples.draw_celeba import NAMES, VISIBLE, draw_celeba, draw_face

SIZE = (24, 30)


def test_the_same_seed_draws_the_same_faces(tmp_path: Path) -> None:
    bits = [draw_celeba(tmp_path / str(run), 5, "official", seed=seed, size=SIZE) for run, seed in enumerate([1, 1, 2])]
    files = [[path.read_bytes() for path in sorted((tmp_path / str(run)).rglob("*.jpg"))] for run in range(3)]
    assert np.array_equal(bits[0], bits[1])
    assert files[0] == files[1]
    assert not np.array_equal(bits[0], bits[2])
    assert files[0] != files[2]


# (left, top, right, bottom) of the place where an attribute shows, and how many grey values it makes there at least
PLACES = {
    "Black_Hair": ((0.17, 0.35, 0.23, 0.50), 60),
    "Blond_Hair": ((0.17, 0.35, 0.23, 0.50), 60),
    "Eyeglasses": ((0.27, 0.41, 0.73, 0.46), 15),
    "Male": ((0.40, 0.83, 0.60, 0.87), 60),
    "Smiling": ((0.45, 0.73, 0.55, 0.77), 15),
    "Wearing_Hat": ((0.30, 0.08, 0.70, 0.22), 15),
}


@pytest.mark.parametrize("name", VISIBLE)
def test_an_attribute_can_be_seen_where_it_is_drawn(name: str) -> None:
    (left, top, right, bottom), least = PLACES[name]
    pixels = []
    for bit in (0, 1):
        face = draw_face(dict.fromkeys(NAMES, 0) | {name: bit}, (100, 100), np.random.default_rng(0))
        pixels.append(np.asarray(face.crop((100 * left, 100 * top, 100 * right, 100 * bottom)), float))
    assert np.abs(pixels[1] - pixels[0]).mean() > least
