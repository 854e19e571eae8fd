"""Penalties on D's gradient without differentiating D twice: by how much its logits change with a little noise."""

from __future__ import annotations

from torch import Tensor

STEP = 0.01
"""s of arXiv:2509.24935: how long the step from an image is, per pixel, in units of `data.pixels`."""
NOISY = {"r1_approximate": "real", "r2_approximate": "fake"}
"""Name of the penalty, and which images it is at."""


def nudged(images: Tensor, noise: Tensor, step: float = STEP) -> Tensor:
    """Images a little way off.

    Args:
        images: (B, C, H, W).
        noise: (B, C, H, W), standard normal.
        step: s.

    Returns:
        (B, C, H, W), without a graph.
    """
    return (images + step * noise.to(images.dtype)).detach()


def squared_slope(logits: Tensor, off: Tensor, step: float = STEP) -> Tensor:
    """Squared change of the logits per step (arXiv:2509.24935); its mean over noise is |gradient|^2 + O(s^2).

    Args:
        logits: (B,) = D(images), in float32 or better.
        off: (B,) = D(nudged(images)), shown in the same way.
        step: s.

    Returns:
        (B,), not yet scaled by gamma / 2.
    """
    return ((off - logits) / step).square()
