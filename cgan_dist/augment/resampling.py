"""Pictures at twice their size and back, and their values between pixels: linear, and differentiable to any order.

Beyond its edges a picture goes on as in a mirror.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

TAPS, BETA, CUTOFF = 12, 4.0, 0.565
"""Of the low-pass filter, a sinc under a Kaiser window: how long it is, how steep the window, and where the sinc ends.

With this end the filter halves the power midway, so that it and its mirror image keep the power of every frequency to
1.5 %, as those of an orthogonal wavelet do exactly. Unlike such a wavelet, it is symmetric: what is done to a mirrored
picture is the mirror image of what is done to the picture."""
REFLECTION = 2
"""The number of that padding mode in PyTorch's operators; 0 is that of bilinear interpolation."""


def doubled(images: Tensor) -> Tensor:
    """Low-pass interpolation: (B, C, H, W) -> (B, C, 2 H, 2 W), two values where each pixel was."""
    rows, columns = (_matrices(size, images.dtype, images.device)[0] for size in images.shape[2:])
    return rows @ images @ columns.T


def halved(images: Tensor) -> Tensor:
    """Low-pass filter, and every other value: (B, C, 2 H, 2 W) -> (B, C, H, W); takes back `doubled`."""
    rows, columns = (_matrices(size // 2, images.dtype, images.device)[1] for size in images.shape[2:])
    return rows @ images @ columns.T


@functools.cache
def _matrices(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """(2 N, N) that doubles a row of N pixels, and (N, 2 N), its inverse of least squares.

    Once for each size and device, since they take the host longer than all that is done with them.
    """
    place = torch.arange(TAPS, dtype=torch.float64) - (TAPS - 1) / 2
    taps = torch.sinc(CUTOFF * place) * torch.kaiser_window(TAPS, False, BETA, dtype=torch.float64)
    taps /= taps.sum()
    values, double = torch.arange(2 * size), torch.zeros(2 * size, size, dtype=torch.float64)
    for number, tap in enumerate(taps.tolist()):
        place = values + number - TAPS // 2  # in a row with a 0 behind every pixel
        there = place % 2 == 0
        double[values[there], mirrored(place[there] // 2, size)] += 2 * tap
    half = torch.linalg.solve(double.T @ double, double.T)
    return double.to(device, dtype), half.to(device, dtype)


def mirrored(places: Tensor, size: int) -> Tensor:
    """Turns whole numbers into 0, ..., size - 1 by mirrors before the first and behind the last."""
    places = places.remainder(2 * size)
    return torch.minimum(places, 2 * size - 1 - places)


def between_pixels(images: Tensor, places: Tensor) -> Tensor:
    """Bilinear interpolation.

    PyTorch's own operator, whose derivative has a derivative here on every device. Where algorithms must be
    deterministic, which its derivative is not on GPUs, values are gathered.

    Args:
        images: (B, C, H, W).
        places: (B, h, w, 2): x from -1, the left edge of the picture, to 1, the right one, and y from the upper edge.

    Returns:
        (B, C, h, w).
    """
    if images.device.type != "cpu" and torch.are_deterministic_algorithms_enabled():
        return gathered(images, places)
    return _Sampled.apply(images, places)  # type: ignore[no-any-return]


def gathered(images: Tensor, places: Tensor) -> Tensor:
    """`between_pixels` out of four pixels each, by operations that all have deterministic derivatives."""
    height, width = images.shape[2:]
    x, y = places.unbind(-1)
    column, row = ((x + 1) * width - 1) / 2, ((y + 1) * height - 1) / 2
    left, top = column.floor(), row.floor()
    pixels = images.permute(0, 2, 3, 1).flatten(0, 2)
    first = torch.arange(len(images), device=images.device)[:, None, None] * (height * width)
    found = torch.zeros((), dtype=images.dtype, device=images.device)
    for below in (0, 1):
        for right in (0, 1):
            weight = (1 - (row - top - below).abs()) * (1 - (column - left - right).abs())
            place = mirrored(top.long() + below, height) * width + mirrored(left.long() + right, width)
            values = pixels.index_select(0, (first + place).flatten()).view(*place.shape, -1)
            found = found + weight[..., None] * values
    return found.permute(0, 3, 1, 2)


class _Sampled(Function):
    """A picture at places that are not learned: a linear map, whose derivative is its adjoint."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return F.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Spread.apply(gradient, *ctx.saved_tensors, ctx.shape), None


class _Spread(Function):
    """The adjoint of `_Sampled`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = gradient.new_empty(()).expand(shape)  # whose values only the derivative of the grid would need
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            gradient, images, grid, 0, REFLECTION, False, [True, False]
        )[0]
        return spread

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Sampled.apply(gradient, *ctx.saved_tensors), None, None
