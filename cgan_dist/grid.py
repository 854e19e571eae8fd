"""Grids of small pictures with a name above each column and, where rows differ, beside each row."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cgan_dist.bounds import GRID_PIXELS, Refused, regular
from cgan_dist.fonts import Font, font_for

GAP = 2
BAND_GAP = 12
MIN_CELL = 48
MAX_WIDTH = 1280
"""Pixels; a wider grid is cut into bands, one below the other."""
FONT_SIZES = range(12, 8, -1)
MAX_LINES = 3
"""Lines of a name that are preferred to a smaller font."""


def open_grid(path: Path) -> Image.Image:
    """Opens a grid that a run has drawn; its size is looked at, and nothing is decoded yet.

    Raises:
        OSError: if it cannot be read or is no PNG; `Refused` if it has more pixels than a grid may have.
        SyntaxError, ValueError: Pillow's other ways of saying that it is damaged.
    """
    try:
        picture = Image.open(regular(path), formats=["PNG"])
    except Image.DecompressionBombError as error:  # far beyond the bound
        raise Refused(path, errno.EFBIG, GRID_PIXELS.exceeded()) from error
    if (pixels := picture.width * picture.height) > GRID_PIXELS.limit:
        picture.close()
        raise Refused(path, errno.EFBIG, GRID_PIXELS.exceeded(pixels))
    return picture


def in_colour(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, C, H, W), C being 1 or 3 -> (N, H, W, 3): what stands in one grid has as many channels."""
    return np.repeat(rearrange(images, "n c h w -> n h w c"), 3 // images.shape[1], axis=3)


def draw_grid(cells: NDArray[np.uint8], names: Sequence[str], row_names: Sequence[str] = ()) -> Image.Image:
    """Draws images under the names of their columns.

    Args:
        cells: (rows, columns, H, W, C) uint8, C being 1 or 3; small ones are enlarged to be seen.
        names: one per column; broken into lines where they are wider than their columns.
        row_names: one per row, drawn to the left of it; none draws nothing there.

    Returns:
        An RGB picture on white, of one or more bands of columns.
    """
    zoom = max(1, -(-MIN_CELL // cells.shape[3]))
    cells = cells.repeat(zoom, axis=2).repeat(zoom, axis=3)
    width = cells.shape[3]
    left = _width_of(row_names)
    bands = -(-len(names) // max(1, (MAX_WIDTH - left) // (width + GAP)))
    each = -(-len(names) // bands)
    font = _font_for(names, width - GAP)
    drawn = [
        _band(cells[:, start : start + each], names[start : start + each], row_names, left, font)
        for start in range(0, len(names), each)
    ]
    return stacked(drawn, BAND_GAP)


def stacked(pictures: Sequence[Image.Image], gap: int = 0) -> Image.Image:
    """Puts RGB pictures below each other, on white; a narrower one stands to the left."""
    height = sum(picture.height for picture in pictures) + gap * (len(pictures) - 1)
    canvas = Image.new("RGB", (max(picture.width for picture in pictures), height), "white")
    top = 0
    for picture in pictures:
        canvas.paste(picture, (0, top))
        top += picture.height + gap
    return canvas


def captioned(picture: Image.Image, text: str, others: Sequence[str] = ()) -> Image.Image:
    """Adds a white strip below a picture with a line of text in its left corner.

    Args:
        picture: RGB.
        text: of the line.
        others: texts of the film's other frames; all are made wide enough for the longest.
    """
    font = font_for((text, *others), FONT_SIZES[0])
    longest = math.ceil(max(font.getlength(line) for line in (text, *others))) + 4 * GAP
    strip = Image.new("RGB", (max(picture.width, longest), FONT_SIZES[0] + 3 * GAP), "white")
    ImageDraw.Draw(strip).text((2 * GAP, GAP), text, fill="black", font=font)
    return stacked([picture, strip])


def _band(
    cells: NDArray[np.uint8], names: Sequence[str], row_names: Sequence[str], left: int, font: Font
) -> Image.Image:
    rows, columns, height, width, _ = cells.shape
    heads = ["\n".join(_lines(name, font, width - GAP)) for name in names]
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [ruler.multiline_textbbox((0, 0), head, font=font, spacing=GAP, anchor="md") for head in heads]
    top = math.ceil(max(-box[1] for box in boxes)) + 2 * GAP
    canvas = Image.new("RGB", (left + columns * (width + GAP) + GAP, top + rows * (height + GAP)), "white")
    pen = ImageDraw.Draw(canvas)
    for column, head in enumerate(heads):
        start = left + GAP + column * (width + GAP)
        middle = (start + width / 2, top - GAP)
        pen.multiline_text(middle, head, fill="black", anchor="md", font=font, spacing=GAP, align="center")
        for row in range(rows):
            pixels = np.broadcast_to(cells[row, column], (height, width, 3))
            canvas.paste(Image.fromarray(np.ascontiguousarray(pixels)), (start, top + row * (height + GAP)))
    row_font = font_for(row_names, FONT_SIZES[0])
    for row, name in enumerate(row_names):
        place = (left - GAP, top + row * (height + GAP) + height / 2)
        pen.text(place, name, fill="black", anchor="rm", font=row_font)
    return canvas


def _width_of(row_names: Sequence[str]) -> int:
    font = font_for(row_names, FONT_SIZES[0])
    longest = max((font.getlength(name) for name in row_names), default=0)
    return int(longest) + 4 * GAP if row_names else 0


def _font_for(names: Sequence[str], width: int) -> Font:
    """The largest font in which no word is broken and no name has too many lines, or the smallest."""
    for size in FONT_SIZES:
        font = font_for(names, size)
        words = [word.rstrip() for name in names for word in _words(name)]
        few = all(len(_lines(name, font, width)) <= MAX_LINES for name in names)
        if few and max(map(font.getlength, words), default=0) <= width:
            return font
    return font


def _words(name: str) -> list[str]:
    """Cuts a name after each space, `+`, `_`, `/`, and a hyphen that is no minus."""
    return re.split(r"(?:(?<=[ +_/])|(?<=[A-Za-z]-))(?=[^ +_/])", name)


def _lines(name: str, font: Font, width: int) -> list[str]:
    """Breaks a name between its words, and within a word only where it is wider than its column."""
    lines = [""]
    for word in _words(name):
        if font.getlength(lines[-1] + word.rstrip()) <= width:
            lines[-1] += word
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line.rstrip() for line in lines if line] or [""]
