"""What a search leaves to look at: pictures beside what was found, and the curve of the distance."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from einops import repeat
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from cgan_dist.fonts import font_for
from cgan_dist.grid import FONT_SIZES, draw_grid, in_colour

MAX_PICTURES = 64
"""Of a sheet: more can be drawn with `sample --z`."""
ROW_NAMES = ("picture", "found", "difference")
WIDTH, HEIGHT, MARGIN, BAND = 640, 320, 48, 24
LINE, MIDDLE_LINE, GRID_LINE = (150, 185, 220), (15, 60, 120), (225, 225, 225)
DECADES = 12


def draw_sheet(pictures: Tensor, made: Tensor, names: Sequence[str]) -> Image.Image:
    """Draws the first pictures, below each what was found for it, and how they differ.

    Args:
        pictures: (P, C, H, W) uint8.
        made: (P, C, H, W) uint8; the channels may differ.
        names: of the columns, such as the labels found.

    Returns:
        RGB. Grey in the last row is no difference; it is shown at its full size.
    """
    both = [in_colour(part[:MAX_PICTURES].numpy()) for part in (pictures, made)]
    gap = (both[1].astype(np.int16) - both[0]) // 2 + 128
    cells = np.stack([*both, gap.clip(0, 255).astype(np.uint8)])
    return draw_grid(cells, list(names)[:MAX_PICTURES], ROW_NAMES)


def draw_curve(curve: Tensor) -> Image.Image:
    """Draws the smallest distance until each step, (P, T): a line for each picture, and the median of all.

    The distance goes up on a logarithmic scale; 1 is that of two random samples.
    """
    values = curve.double().clamp_min(1e-6).numpy()
    low, high = (math.log10(value) for value in (values.min(), values.max()))
    low, high = math.floor(low * 4) / 4, max(math.ceil(high * 4) / 4, math.floor(low * 4) / 4 + 0.25)
    canvas = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(canvas), font_for(("1",), FONT_SIZES[-1])
    for tick in np.linspace(low, high, min(DECADES, round((high - low) * 4)) + 1):
        height = _height(tick, low, high)
        pen.line((MARGIN, height, WIDTH - BAND / 2, height), fill=GRID_LINE)
        pen.text((MARGIN - 4, height), f"{10**tick:.2g}", fill="black", anchor="rm", font=font)
    for row in values:
        _line(pen, row, low, high, LINE, 1)
    _line(pen, np.median(values, axis=0), low, high, MIDDLE_LINE, 3)
    pen.text((MARGIN, HEIGHT - 6), "distance (two random samples: 1) by step", fill="black", anchor="ls", font=font)
    pen.text((WIDTH - BAND / 2, HEIGHT - 6), f"{curve.shape[1]:,} steps", fill="black", anchor="rs", font=font)
    return canvas


def curve_lines(names: Sequence[str], curve: Tensor) -> str:
    """The same as JSON lines, one for each picture: its name, and the distances."""
    rows = zip(names, curve.tolist(), strict=True)
    return "".join(
        json.dumps({"picture": name, "distance": [float(f"{value:.6g}") for value in row]}) + "\n" for name, row in rows
    )


def _line(
    pen: ImageDraw.ImageDraw,
    values: NDArray[np.float64],
    low: float,
    high: float,
    colour: tuple[int, int, int],
    width: int,
) -> None:
    across = np.linspace(MARGIN, WIDTH - BAND / 2, max(2, len(values)))
    heights = [_height(math.log10(value), low, high) for value in repeat(values, "t -> (t k)", k=2 // len(values) or 1)]
    pen.line([*zip(across.tolist(), heights, strict=True)], fill=colour, width=width)


def _height(power: float, low: float, high: float) -> float:
    return BAND / 2 + (high - power) / (high - low) * (HEIGHT - 2 * BAND - BAND / 2)
