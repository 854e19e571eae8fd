"""Grids of small pictures with a name above each column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

GAP = 2
MIN_CELL = 48
FONT_SIZES = range(12, 6, -1)


def draw_grid(cells: NDArray[np.uint8], names: Sequence[str]) -> Image.Image:
    """Draws images under the names of their columns.

    Args:
        cells: (rows, columns, H, W, C) uint8, C being 1 or 3; small ones are enlarged to be seen.
        names: one per column.

    Returns:
        An RGB picture on white.
    """
    zoom = max(1, -(-MIN_CELL // cells.shape[3]))
    cells = cells.repeat(zoom, axis=2).repeat(zoom, axis=3)
    rows, columns, height, width, _ = cells.shape
    font = _font_for(names, width)
    top = int(max(font.getbbox(name)[3] for name in names)) + 2 * GAP
    canvas = Image.new("RGB", (columns * (width + GAP) + GAP, top + rows * (height + GAP)), "white")
    pen = ImageDraw.Draw(canvas)
    for column, name in enumerate(names):
        left = GAP + column * (width + GAP)
        pen.text((left + width / 2, GAP), name, fill="black", anchor="ma", font=font)
        for row in range(rows):
            pixels = np.broadcast_to(cells[row, column], (height, width, 3))
            canvas.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, top + row * (height + GAP)))
    return canvas


def _font_for(names: Sequence[str], width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, shrunk until the longest name fits its column; the smallest may run over."""
    for size in FONT_SIZES:
        font = ImageFont.load_default(size)
        if max(font.getlength(name) for name in names) <= width:
            return font
    return font
