from __future__ import annotations

import numpy as np
import pytest

from cgan_dist.data.fitting import Fitting, Way

WIDE = np.zeros((10, 30, 1), np.uint8)
WIDE[:, 10:20] = 200
TALL = WIDE.transpose(1, 0, 2)


def test_a_crop_to_a_square_is_the_middle() -> None:
    assert (Fitting(size=(5, 5))(WIDE) == 200).all()
    assert (Fitting(size=(10, 10))(TALL) == 200).all()


@pytest.mark.parametrize(("size", "columns"), [((20, 10), (5, 25)), ((10, 5), (5, 25)), ((30, 20), (7, 22))])
def test_a_crop_has_the_shape_of_the_size(size: tuple[int, int], columns: tuple[int, int]) -> None:
    """A ramp says which columns were taken."""
    ramp = np.tile(np.arange(30, dtype=np.uint8) * 8, (10, 1))[:, :, None]
    found = Fitting(size=size)(ramp)
    assert found.shape == (size[1], size[0], 1)
    assert int(found.min()) == pytest.approx(8 * columns[0], abs=14)
    assert int(found.max()) == pytest.approx(8 * (columns[1] - 1), abs=14)


@pytest.mark.parametrize(("fill", "level"), [("white", 255), ("black", 0)])
def test_padding_keeps_the_whole_picture_in_the_middle(fill: str, level: int) -> None:
    grey = np.full((10, 30, 3), 90, np.uint8)
    found = Fitting(size=(30, 20), way="pad", fill=fill)(grey)  # type: ignore[arg-type]
    assert (found[5:15] == 90).all()
    assert (found[:5] == level).all()
    assert (found[15:] == level).all()
    halved = Fitting(size=(15, 20), way="pad", fill=fill)(grey)  # type: ignore[arg-type]
    assert [int((row == 90).all()) for row in halved].count(1) == 5
    upright = Fitting(size=(20, 30), way="pad", fill=fill)(grey.transpose(1, 0, 2))  # type: ignore[arg-type]
    assert (upright[:, 5:15] == 90).all()
    assert (upright[:, [0, -1]] == level).all()


def test_stretching_keeps_the_whole_picture_and_bends_it() -> None:
    found = Fitting(size=(9, 30), way="stretch")(WIDE)
    assert found.shape == (30, 9, 1)
    assert (found[:, 3:6] > 180).all()
    assert (found[:, [0, 8]] < 40).all()


@pytest.mark.parametrize("way", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (7, 9), (64, 96)])
def test_any_shape_comes_to_the_size(way: Way, shape: tuple[int, int]) -> None:
    for channels in (1, 3):
        found = Fitting(size=(96, 64), way=way, channels=3)(np.full((*shape, channels), 7, np.uint8))
        assert (found.shape, found.dtype) == ((64, 96, 3), np.uint8)
        assert (found == 7).any()


def test_a_picture_of_the_size_stays_as_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    for way in ("crop", "pad", "stretch"):
        assert np.array_equal(Fitting(size=(9, 6), way=way)(noise), noise)  # type: ignore[arg-type]
    assert np.array_equal(Fitting()(noise), noise)


def test_channels() -> None:
    grey, colour = np.full((4, 4, 1), 9, np.uint8), np.zeros((4, 4, 3), np.uint8)
    assert (Fitting(channels=3)(grey) == 9).all()
    assert Fitting(channels=3)(grey).shape == (4, 4, 3)
    assert Fitting(channels=1)(colour).shape == (4, 4, 1)
