from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.errors import UserError
from cgan_dist.evaluation.selection import Selection
from cgan_dist.pictures import neighbours
from cgan_dist.pictures.neighbours import draw_neighbours, pixels
from cgan_dist.sampling.sampler import Sampler
from tests.unit.samplers import sampler_of


class Copier(Sampler):
    """Draws real images of the numbers given, in turn, but for one pixel."""

    real: Selection
    numbers: list[int]

    def cells(self, labels: torch.Tensor, rows: int, z: str, *position: int) -> np.ndarray:
        images = [self.real.images(number, number + 1)[0].permute(1, 2, 0).numpy().copy() for number in self.numbers]
        for image in images:
            image[0, 0] ^= 1
        return np.stack(images).reshape(rows, len(labels), *images[0].shape)


@pytest.fixture
def copier(shards_folder: Path) -> Copier:
    shards = ShardSet(Storage(shards_folder), cache="none")
    space = LABEL_SPACES.build("auto", "", {}, schema=shards.manifest.labels)
    plain = sampler_of("classes")
    sampler = Copier(
        plain.generator, space, LabelDistribution(torch.arange(3), torch.ones(3)), plain.pixels, 5, "normal", 0
    )
    sampler.real = Selection(shards, space)
    return sampler


def test_copies_are_found_wherever_they_are(copier: Copier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 50)
    copier.numbers = [202, 7, 120]
    shown: list[np.ndarray] = []
    heads: list[list[list[str]]] = []
    real = neighbours.draw_grid

    def draw(cells: np.ndarray, *names: list[str]) -> object:
        shown.append(cells)
        heads.append(list(names))
        return real(cells, *names)

    monkeypatch.setattr(neighbours, "draw_grid", draw)
    found = draw_neighbours(copier, copier.real, torch.tensor([0, 1, 2]), 1, 2, pixels)
    assert shown[0].shape == (3, 3, 8, 8, 1)
    for column, number in enumerate(copier.numbers):
        assert np.array_equal(shown[0][1, column, :, :, 0], copier.real.images(number, number + 1)[0, 0].numpy())
    assert heads == [[["rows", "columns", "flat"], ["sample", "nearest real", "real no. 2"]]]
    assert found.of_samples == pytest.approx(1 / 255)
    assert found.of_reals > 100 * found.of_samples, "real images are no copies of each other"


def test_the_second_nearest_is_the_nearest_of_the_others(copier: Copier) -> None:
    images = copier.real.images(0, len(copier.real))
    every = torch.cdist(pixels(images).double(), pixels(images).double()).fill_diagonal_(torch.inf)
    copier.numbers = list(range(100))
    found = draw_neighbours(copier, copier.real, torch.zeros(100, dtype=torch.int64), 1, 1, pixels)
    assert every.amin(1).min() * 0.9 < found.of_reals < every.amin(1).max() * 1.1
    assert found.of_reals == pytest.approx(every.amin(1).median().item(), rel=0.05)


def test_samples_of_one_label_stand_side_by_side(copier: Copier, monkeypatch: pytest.MonkeyPatch) -> None:
    copier.numbers = [0, 1, 2, 3]  # two rows of two labels
    shown: list[np.ndarray] = []
    names: list[list[str]] = []

    def draw(cells: np.ndarray, heads: list[str], rows: list[str]) -> None:
        shown.append(cells)
        names.append(heads)

    monkeypatch.setattr(neighbours, "draw_grid", draw)
    draw_neighbours(copier, copier.real, torch.tensor([0, 2]), 2, 1, pixels)
    assert names == [["rows", "rows", "flat", "flat"]]
    for column, number in enumerate([0, 2, 1, 3]):
        assert np.array_equal(shown[0][1, column, :, :, 0], copier.real.images(number, number + 1)[0, 0].numpy())


def test_more_neighbours_than_there_are_images_are_refused(copier: Copier) -> None:
    with pytest.raises(UserError, match=r"--k 203: expected less than the number of real images, 203"):
        draw_neighbours(copier, copier.real, torch.tensor([0]), 1, 203, pixels)
