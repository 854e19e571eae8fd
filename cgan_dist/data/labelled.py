"""A labelled image set in memory, as a source reads it and the shard writer takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgan_dist.errors import UserError


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images with one class label each.

    Attributes:
        images: (N, H, W, C) uint8.
        labels: (N,) int64 in 0..len(class_names)-1.
        class_names: one per class.
        source: where they come from, for the manifest.

    Raises:
        UserError: if shapes, types or labels contradict each other.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8 or not len(self.images):
            raise UserError(f"{self.source}: expected images (N, H, W, C) uint8, found {self.images.shape} "
                            f"{self.images.dtype}.")
        if len(self.images) != len(self.labels):
            raise UserError(f"{self.source}: {len(self.images)} images but {len(self.labels)} labels.")
        check_labels(self.labels, len(self.class_names), self.source)


def check_labels(labels: NDArray[np.int64], num_classes: int, where: str) -> None:
    """Raises UserError, beginning with `where`, at the first label outside 0..num_classes-1."""
    outside = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(outside):
        first = int(outside[0])
        raise UserError(f"{where}: image {first} has label {int(labels[first])}; expected 0..{num_classes - 1}.")
