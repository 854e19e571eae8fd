"""Brightness, saturation and contrast (Zhao et al. 2020, arXiv:2006.10738)."""

from __future__ import annotations

import torch
from torch import Tensor


class Color:
    """Changes brightness, then saturation, then contrast.

    Brightness: x + U(-0.5, 0.5). Saturation: the distance of each channel from the mean of the pixel's channels, times
    U(0, 2); a grey image has none to change. Contrast: the distance from the mean of the whole image, times
    U(0.5, 1.5).
    """

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws (count, 3) in [0, 1): brightness, saturation, contrast; 0.5 leaves the image as it is."""
        return torch.rand(count, 3, generator=generator)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """(B, C, H, W) float in [-1, 1] and (B, 3) -> (B, C, H, W), computed in float32 or better."""
        brightness, saturation, contrast = parameters[:, :, None, None, None].unbind(1)
        values = images + (brightness - 0.5)  # float32 parameters promote half precision: rounded once, at the end
        values = spread(values, 2 * saturation, (1,))
        values = spread(values, 0.5 + contrast, (1, 2, 3))
        return values.to(images.dtype)


def spread(values: Tensor, factor: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Multiplies the distance from the mean over `dims`: (B, C, H, W) and (B, 1, 1, 1) -> (B, C, H, W)."""
    mean = values.mean(dims, keepdim=True)
    return mean + factor * (values - mean)
