from __future__ import annotations

import numpy as np
import pytest
import torch

from cgan_dist.pictures.walk import walk_cells, walk_film, walk_picture
from cgan_dist.sampling.sampler import Sampler
from tests.unit.samplers import STORED, sampler_of


def corner_of(z: torch.Tensor, label: int) -> int:
    """What `Painter` puts into the corner, whatever the label is."""
    return int(((z[0] / 2 - 0.5) * 255 + 128).clamp(0, 255).byte())


def test_all_labels_go_the_same_way_and_pass_its_stops() -> None:
    sampler = sampler_of("classes")
    cells = walk_cells(sampler, torch.tensor([7, 2]), walks=3, stops=2, steps=5, closed=False)
    assert cells.shape == (5, 3, 2, 4, 4, 1)
    corner = cells[..., 0, 0, 0].astype(int)
    assert np.array_equal(corner[:, :, 0], corner[:, :, 1])
    assert len(np.unique(corner[0])) == 3, "each walk has z's of its own"
    stops = sampler.latents(6, "walk").reshape(2, 3, 5)
    for end, time in ((0, 0), (1, 4)):
        expected = [corner_of(z, 0) for z in stops[end]]
        assert corner[time, :, 0].tolist() == expected
    middle = [corner_of(z, 0) for z in torch.lerp(stops[0], stops[1], 0.5)]
    assert corner[2, :, 0].tolist() == middle
    body = sampler.images(stops[0][:1], torch.tensor([7]))[0, 0, 1, 1]
    assert (cells[:, :, 0, 1, 1, 0] == body.item()).all(), "and keeps its label"


@pytest.mark.parametrize("kind", STORED)
def test_every_label_space_walks(kind: str) -> None:
    sampler = sampler_of(kind, latent="normal")
    labels = sampler.label_space.grid(3)
    cells = walk_cells(sampler, labels, walks=2, stops=3, steps=4, closed=True)
    assert cells.shape == (9, 2, len(labels), 4, 4, 1)


def test_the_picture_has_a_grid_for_each_walk_and_the_film_a_frame_for_each_step() -> None:
    cells = np.zeros((4, 2, 3, 48, 48, 1), np.uint8)
    cells[3, 1] = 255
    names = ["a", "b", "c"]
    picture = walk_picture(cells, names)
    assert picture.width == 3 * 50 + 2
    assert picture.height > 2 * 4 * 50
    film = walk_film(cells, names, fps=5)
    assert (film.count, film.fps) == (4, 5)
    frame = np.asarray(film.frame(3))
    assert frame.shape[1] == 3 * 50 + 2
    assert frame[-60, 20, 0] == 0
    assert frame[-20, 20, 0] == 255


def test_truncation_shortens_the_walk() -> None:
    def spread(sampler: Sampler) -> float:
        return float(walk_cells(sampler, torch.tensor([4]), 8, 4, 3, True)[..., 0, 0, 0].astype(float).std())

    whole, cut = sampler_of("classes"), sampler_of("classes")
    cut.truncate(0.3)
    assert 0 < spread(cut) < 0.4 * spread(whole)
