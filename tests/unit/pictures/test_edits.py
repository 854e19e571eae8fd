from __future__ import annotations

import numpy as np
import pytest
import torch

from cgan_dist.errors import UserError
from cgan_dist.pictures.edits import draw_edits, draw_ways
from cgan_dist.pictures.walk import walk_cells
from tests.unit.samplers import STORED, sampler_of


def test_each_row_has_its_picture_and_its_z_under_each_label() -> None:
    sampler = sampler_of("classes")
    z = sampler.latents(3, "some")
    stops = [torch.tensor([0, 3, 5]), torch.tensor([9, 9, 9])]
    pictures = torch.full((3, 1, 4, 4), 77, dtype=torch.uint8)
    grid = np.asarray(draw_edits(sampler, z, stops, ["found", "9"], pictures))
    assert grid.shape[1] == 3 * 50 + 2
    brightness = grid[-30::-50, 40::50, 0][::-1]
    assert brightness.tolist() == [[77, 0, 230], [77, 77, 230], [77, 128, 230]]


def test_rows_start_from_labels_of_their_own() -> None:
    sampler = sampler_of("classes")
    z = sampler.latents(2, "some")
    stops = [torch.tensor([0, 8]), torch.tensor([4, 4])]
    slider = draw_ways(sampler, z, stops, ["found", "4"], steps=5, closed=False)
    assert slider.heads == ["found", "25%", "50%", "75%", "4"]
    assert slider.captions[1] == "found to 4: 25%"
    brightness = slider.cells[..., 2, 2, 0].astype(int)
    assert np.abs(brightness - [[0, 26, 51, 77, 102], [204, 179, 153, 128, 102]]).max() <= 1
    corner = slider.cells[..., 0, 0, 0]
    assert (corner == corner[:, :1]).all(), "z is held"


@pytest.mark.parametrize("kind", [kind for kind in STORED if kind != "none"])
def test_labels_of_every_kind_move(kind: str) -> None:
    sampler = sampler_of(kind)
    labels = sampler.label_space.select(STORED[kind][1])
    stops = [labels[[0, -1]], labels[[-1, -1]]]
    z = sampler.latents(2, "some")
    slider = draw_ways(sampler, z, stops, ["a", "b"], steps=2, closed=True)
    assert slider.cells.shape[:2] == (2, 2)
    for place, stop in enumerate(stops):
        made = sampler.images(z, stop)[:, 0].numpy().astype(int)
        assert np.abs(slider.cells[:, place, :, :, 0].astype(int) - made).max() <= 1


def test_without_labels_there_is_nothing_to_edit() -> None:
    sampler = sampler_of("none")
    labels = sampler.label_space.grid(2)
    with pytest.raises(UserError, match="this generator has no labels"):
        draw_ways(sampler, sampler.latents(2, "some"), [labels, labels], ["a", "b"], 3, False)


def test_a_walk_may_pass_z_that_are_given() -> None:
    sampler = sampler_of("classes")
    z = sampler.latents(3, "some")
    cells = walk_cells(sampler, torch.tensor([2]), walks=1, stops=3, steps=2, closed=False, z=z)
    assert np.array_equal(cells[:, 0, 0, 0, 0, 0], sampler.images(z, torch.tensor([2] * 3))[:, 0, 0, 0].numpy())


def test_a_grid_may_have_rows_of_z_that_are_given() -> None:
    sampler = sampler_of("classes")
    z = sampler.latents(2, "some")
    cells = sampler.cells(torch.tensor([1, 4]), 2, z)
    assert np.array_equal(cells[:, 1, ..., 0], sampler.images(z, torch.tensor([4, 4]))[:, 0].numpy())
