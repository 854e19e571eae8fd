from __future__ import annotations

import numpy as np

from cgan_dist.grid import draw_grid


def test_columns_stand_under_their_names() -> None:
    values = np.array([[10, 60, 110], [160, 210, 240]], np.uint8)
    cells = np.broadcast_to(values[:, :, None, None, None], (2, 3, 48, 48, 3))
    grid = np.asarray(draw_grid(cells, ["cat", "dog", "owl"]))
    assert grid.shape == (grid.shape[0], 3 * 50 + 2, 3)
    body = grid[-100:]
    assert [[int(body[row, column, 0]) for column in (26, 76, 126)] for row in (25, 75)] == values.tolist()
    head = grid[:-100]
    assert all((head[:, 2 + 50 * k : 50 + 50 * k] < 128).any() for k in range(3))  # something is written there


def test_small_images_are_enlarged_and_grey_is_drawn() -> None:
    picture = np.asarray(draw_grid(np.full((1, 1, 8, 8, 1), 77, np.uint8), ["a"]))
    assert picture.shape[1] >= 48
    assert (picture[-10, 10] == 77).all()


def test_a_long_name_is_broken_into_lines_within_its_column() -> None:
    cells = np.full((1, 2, 48, 48, 1), 255, np.uint8)
    grid = np.asarray(draw_grid(cells, ["Black_Hair+Eyeglasses and a very_long_word_without_end", "b"]))
    head = grid[:-50]
    assert len(head) > 40
    assert (head[:, 2:50] < 128).any()
    assert (head[16:, 52:] == 255).all()  # nothing runs over into the other column, whose name has one line


def test_columns_without_names() -> None:
    picture = draw_grid(np.zeros((2, 3, 48, 48, 3), np.uint8), ["", " ", "  "])
    assert picture.size[0] == 3 * 50 + 2
