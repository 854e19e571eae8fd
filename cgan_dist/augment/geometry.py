"""Where pictures and their parts go: mirrored and turned exactly, everything else in one map that is resampled once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cgan_dist.augment.resampling import between_pixels, doubled, halved

Values = Mapping[str, Tensor]
"""By the name of a parameter, (B,); 0 is what changes nothing."""
MOVES = ("shift_down", "shift_right", "scale", "turn_before", "stretch", "turn_after", "slide_down", "slide_right")


def blitted(images: Tensor, values: Values) -> Tensor:
    """Mirrors and quarter turns; pixels are moved, never changed.

    Args:
        images: (B, C, H, W); one that is not square takes half turns only, for 2 and 3.
        values: `flip` is 0 or 1 (left to right), `quarter` 0, ..., 3.

    Returns:
        (B, C, H, W).
    """
    flip, quarter = (values[name][:, None, None, None] for name in ("flip", "quarter"))
    images = torch.where(flip > 0, images.flip(3), images)
    if images.shape[2] != images.shape[3]:
        return torch.where(quarter >= 2, images.rot90(2, (2, 3)), images)
    turned = images
    for number in (1, 2, 3):
        turned = torch.where(quarter == number, images.rot90(number, (2, 3)), turned)
    return turned


def warped(images: Tensor, values: Values) -> Tensor:
    """Everything that moves a picture by other than whole pixels, without aliases; mirrors lie beyond its edges.

    In this order: shifted by whole pixels, scaled, turned, stretched, turned, shifted by any length. The picture is
    taken to twice its size by a low-pass filter, interpolated there, and taken back, so that no frequency is lost that
    the result can show and none appears that it cannot (Karras et al. 2020, arXiv:2006.06676, appendix B).

    Args:
        images: (B, C, H, W) float32 or better; one whose values are all 0 stays as it is, exactly.
        values: `shift_down`, `shift_right` in heights and widths, rounded to pixels; `scale` the binary logarithm of
            a factor; `turn_before`, `turn_after` in radians, clockwise; `stretch` the binary logarithm of the factor
            of the width, whose inverse the height is multiplied by; `slide_down`, `slide_right` in heights and widths.

    Returns:
        (B, C, H, W).
    """
    changed = halved(between_pixels(doubled(images), sources(values, images.shape[2], images.shape[3])))
    moved = torch.stack([values[name] for name in MOVES]).any(0)
    return torch.where(moved[:, None, None, None], changed, images)


def sources(values: Values, height: int, width: int) -> Tensor:
    """Where each value of a warped picture of twice the size comes from.

    Args:
        values: as `warped` takes them; the result has their type, and is where they are.
        height: H, in pixels.
        width: W.

    Returns:
        (B, 2 H, 2 W, 2): x and y, from -1 to 1 within the picture.
    """
    (xx, xy), (yx, yy) = _undone(values)
    right, down = values["slide_right"] * width, values["slide_down"] * height
    x = xx * right + xy * down + (values["shift_right"] * width).round()
    y = yx * right + yy * down + (values["shift_down"] * height).round()

    def in_sides(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([x * (2 / width), y * (2 / height)], dim=-1)[:, None, None]

    columns, rows = (
        (torch.arange(2 * size, dtype=x.dtype, device=x.device) + 0.5) / 2 - size / 2 for size in (width, height)
    )
    return in_sides(xx, yx) * columns[:, None] + (in_sides(xy, yy) * rows[:, None, None] - in_sides(x, y))


def _undone(values: Values) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The inverse of scale, turn, stretch and turn: the rows of a matrix, (B,) each, of x to the right and y down."""
    smaller, narrower = torch.exp2(-values["scale"]), torch.exp2(-values["stretch"])
    (cos, sin), (cos_after, sin_after) = ((a.cos(), a.sin()) for a in (values["turn_before"], values["turn_after"]))
    across, down = (cos_after * narrower, sin_after * narrower), (-sin_after / narrower, cos_after / narrower)
    return (
        (smaller * (cos * across[0] + sin * down[0]), smaller * (cos * across[1] + sin * down[1])),
        (smaller * (cos * down[0] - sin * across[0]), smaller * (cos * down[1] - sin * across[1])),
    )
