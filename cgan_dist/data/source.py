"""What a reader of images hands to the shard writer: labels at once, images one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgan_dist.errors import UserError
from cgan_dist.labels import Labels, LabelSchema


@dataclass(frozen=True, kw_only=True)
class Source:
    """A labelled image set that need not fit in memory; picklable, because several processes read it.

    Attributes:
        labels: of all images, as `schema` stores them.
        schema: what they mean.
        read: image i as (H, W, C) uint8, C being 1 or 3, in any size; raises UserError naming the file and the cause.
        description: where the images come from, for the manifest and for errors.

    Raises:
        UserError: if the labels contradict the schema, or there is no image.
    """

    labels: Labels
    schema: LabelSchema
    read: Callable[[int], NDArray[np.uint8]]
    description: str

    def __post_init__(self) -> None:
        if not len(self.labels):
            raise UserError(f"{self.description}: no images.")
        self.schema.check(self.labels, self.description)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class InMemory:
    """The `read` of a set that is in memory already.

    Attributes:
        images: (N, H, W, C) uint8.
    """

    images: NDArray[np.uint8]

    def __call__(self, index: int) -> NDArray[np.uint8]:
        """Returns (H, W, C) uint8."""
        image: NDArray[np.uint8] = self.images[index]
        return image
