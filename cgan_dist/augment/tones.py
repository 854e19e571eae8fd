"""Changes of colour that keep grey grey: of light, of contrast, and of the hues around it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

TONES = ("brightness", "contrast", "luma_flip", "hue", "saturation")


def toned(images: Tensor, values: Mapping[str, Tensor]) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation, in this order (Karras et al. 2020, arXiv:2006.06676).

    The paper multiplies matrices; all of them act on the mean of a pixel's channels as a scale and a shift, and on the
    distance from it as a turn about the axis of greys and a scale, so this is their product.

    Args:
        images: (B, C, H, W) float32 or better, C being 1 or 3; grey ones have no hue and no saturation to change. One
            whose values are all 0 stays as it is, exactly.
        values: (B,) each: `brightness` is added; `contrast` and `saturation` are binary logarithms of factors;
            `luma_flip` is 0 or 1, the mean's sign; `hue` in radians.

    Returns:
        (B, C, H, W).
    """
    brightness, contrast, luma_flip, hue, saturation = (values[name][:, None, None, None] for name in TONES)
    contrast = torch.exp2(contrast)
    mean = images.mean(1, keepdim=True)
    changed = (1 - 2 * luma_flip) * contrast * (mean + brightness)
    if images.shape[1] == 3:
        apart = images - mean
        across = (apart.roll(1, 1) - apart.roll(-1, 1)) / math.sqrt(3)  # a quarter turn about the axis of greys
        changed = changed + contrast * torch.exp2(saturation) * (hue.cos() * apart + hue.sin() * across)
    known = TONES if images.shape[1] == 3 else TONES[:3]
    touched = torch.stack([values[name] for name in known]).any(0)
    return torch.where(touched[:, None, None, None], changed, images)
