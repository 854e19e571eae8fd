from __future__ import annotations

import numpy as np
import pytest
import torch

from cgan_dist.pictures.directions import draw_directions
from cgan_dist.sampling.interpolation import along
from tests.unit.samplers import STORED, sampler_of

CELL = 50
"""Pixels from one picture of the grid to the next: 4 enlarged to 48, and a gap."""


@pytest.mark.parametrize("kind", STORED)
def test_z_is_in_the_middle_and_moves_to_both_sides_under_every_label(kind: str) -> None:
    sampler = sampler_of(kind, latent="normal")
    sampler.generator.forward = lambda z, condition: (z[:, :1, None, None] / 8).expand(-1, 1, 4, 4)  # type: ignore[method-assign]
    labels = sampler.label_space.grid(2)[:2]
    vectors = torch.eye(5)[:2]
    picture = np.asarray(draw_directions(sampler, ["a", "b"], vectors, labels, steps=5, reach=2))
    z = sampler.latents(1, "fixed_z")
    rows = 2 * len(labels)
    cells = picture[-rows * CELL :, -5 * CELL :][::CELL, ::CELL].astype(int)[..., 0]
    expected = [
        sampler.images(along(z, vectors[0], amount, "normal"), labels[:1]).flatten()[0].item()
        for amount in (-2, -1, 0, 1, 2)
    ]
    assert len(set(expected)) == 5
    for row in cells[: len(labels)]:
        assert row.tolist() == expected
    for row in cells[len(labels) :]:  # the second entry is not painted
        assert set(row.tolist()) == {expected[2]}
