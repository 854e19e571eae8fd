"""What a loader hands over."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Images and labels as they leave the loader, one rank's share of a global batch.

    Attributes:
        images: (B, C, H, W) uint8.
        labels: as the label schema stores them, e.g. (B,) int64 for classes.
    """

    images: Tensor
    labels: Tensor
