"""Grids of small pictures with a name above each column."""

from __future__ import annotations

import re
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
    heads = ["\n".join(_lines(name, font, width)) for name in names]
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    top = int(max(ruler.multiline_textbbox((0, 0), head, font=font, spacing=GAP)[3] for head in heads)) + 2 * GAP
    canvas = Image.new("RGB", (columns * (width + GAP) + GAP, top + rows * (height + GAP)), "white")
    pen = ImageDraw.Draw(canvas)
    for column, head in enumerate(heads):
        left = GAP + column * (width + GAP)
        pen.multiline_text(
            (left + width / 2, GAP), head, fill="black", anchor="ma", font=font, spacing=GAP, align="center"
        )
        for row in range(rows):
            pixels = np.broadcast_to(cells[row, column], (height, width, 3))
            canvas.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, top + row * (height + GAP)))
    return canvas


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _font_for(names: Sequence[str], width: int) -> Font:
    """Pillow's own font, shrunk until the longest name fits its column; with the smallest, names are broken."""
    for size in FONT_SIZES:
        font = ImageFont.load_default(size)
        if max(font.getlength(name) for name in names) <= width:
            return font
    return font


def _lines(name: str, font: Font, width: int) -> list[str]:
    """Breaks a name after a space, `+` or `_`, and within a word only where it is wider than its column."""
    lines = [""]
    for word in re.split(r"(?<=[ +_])", name):
        if font.getlength(lines[-1] + word.rstrip()) <= width:
            lines[-1] += word
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line.rstrip() for line in lines if line] or [""]
