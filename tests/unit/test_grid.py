from __future__ import annotations

import numpy as np
from PIL import Image, ImageFont

from cgan_dist.grid import MAX_WIDTH, _lines, _words, captioned, draw_grid, stacked


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
    assert (head[:-18, 52:] == 255).all()  # nothing runs over into the other column, whose name has one line
    assert (head[-18:, 52:] < 128).any()  # and stands close to its pictures


def test_columns_without_names() -> None:
    picture = draw_grid(np.zeros((2, 3, 48, 48, 3), np.uint8), ["", " ", "  "])
    assert picture.size[0] == 3 * 50 + 2


def test_a_negative_number_stays_in_one_piece() -> None:
    assert _words("elevation -0.36") == ["elevation ", "-0.36"]
    assert _words("Black_Hair+T-shirt/top") == ["Black_", "Hair+", "T-", "shirt/", "top"]
    font = ImageFont.load_default(10)
    assert _lines("azimuth 180 elevation -0.36", font, 60) == ["azimuth 180", "elevation", "-0.36"]


def test_many_columns_are_cut_into_bands_of_equal_width() -> None:
    cells = np.zeros((2, 60, 48, 48, 1), np.uint8)
    cells[0, 20] = 200  # the first of the second band
    picture = draw_grid(cells, [f"class {number}" for number in range(60)])
    assert picture.width == 20 * 50 + 2 <= MAX_WIDTH
    pixels = np.asarray(picture)
    rows_with_it = np.flatnonzero((pixels[:, 20] == 200).all(-1))
    assert len(rows_with_it) == 48
    assert rows_with_it[0] > picture.height / 3
    assert rows_with_it[-1] < 2 * picture.height / 3


def test_rows_have_names_to_their_left() -> None:
    cells = np.full((2, 1, 48, 48, 1), 255, np.uint8)
    plain, named = draw_grid(cells, ["a"]), draw_grid(cells, ["a"], ["sample", "nearest real"])
    assert named.height == plain.height
    left = named.width - plain.width
    margin = np.asarray(named)[:, :left]
    assert (margin[-50:] < 128).any()
    assert (margin[-100:-50] < 128).any()
    assert (margin[:-100] == 255).all()
    assert np.array_equal(np.asarray(named)[:, left:], np.asarray(plain))


def test_a_caption_is_added_below() -> None:
    picture = Image.new("RGB", (120, 40), "navy")
    grown = captioned(picture, "12,800 images")
    assert grown.crop((0, 0, 120, 40)).tobytes() == picture.tobytes()
    strip = np.asarray(grown)[40:]
    assert (strip[:, :80] < 128).any()
    assert (strip[:, 100:] == 255).all()


def test_all_frames_are_as_wide_as_the_longest_caption() -> None:
    picture = Image.new("RGB", (20, 40), "navy")
    texts = ["0 images", "1,234,567,890 images"]
    frames = [captioned(picture, text, texts) for text in texts]
    assert frames[0].size == frames[1].size
    assert frames[0].width > 100
    assert (np.asarray(frames[1])[40:, -12:] < 128).any(), "the longest one ends near the edge"
    assert (np.asarray(frames[1])[40:, -4:] == 255).all(), "but is not cut off"


def test_pictures_are_stacked_from_the_left() -> None:
    both = np.asarray(stacked([Image.new("RGB", (10, 5), "black"), Image.new("RGB", (6, 4), "black")], gap=3))
    assert both.shape == (12, 10, 3)
    assert (both[:5] == 0).all()
    assert (both[5:8] == 255).all()
    assert (both[8:, :6] == 0).all()
    assert (both[8:, 6:] == 255).all()
