"""The contract of a form in which a set of generated images is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cgan_dist.labels import Labels, LabelSchema

RECORD = "generated.json"


@dataclass(frozen=True, kw_only=True)
class SetFacts:
    """What a form must know of a set.

    Attributes:
        labels: (N,) or (N, W), of all images, in the form of `schema`.
        schema: what they mean.
        image_shape: (H, W, C) of every image.
        description: where the images come from.
    """

    labels: Labels
    schema: LabelSchema
    image_shape: tuple[int, int, int]
    description: str

    def __len__(self) -> int:
        return len(self.labels)


class SetForm:
    """Base of every form: keeps what is drawn in a folder of its own until the set is whole, then makes the set of it.

    Several threads of several processes call `write` and `digest` at once, each for other images.

    Args:
        folder: where to work; it is there, and belongs to this set alone.
        facts: of the set. The user's arguments come by keyword, beside it.

    Attributes:
        suffix: what the set's name must end in if it is one file, e.g. ".npz"; empty if it is a folder; null takes any
            name.
    """

    suffix: ClassVar[str | None] = None

    def __init__(self, folder: Path, facts: SetFacts) -> None:
        self.folder = folder
        self.facts = facts

    def write(self, first: int, images: NDArray[np.uint8]) -> str:
        """Keeps (n, H, W, C) uint8, the images from number `first` on; what was there of them is overwritten.

        Returns:
            The sha256 of what was written, hex.
        """
        raise NotImplementedError

    def digest(self, first: int, count: int) -> str | None:
        """What `write` returned for these images, from what is there now; null if some of it is missing."""
        raise NotImplementedError

    def finish(self) -> Path:
        """Makes the set of what was written, in `folder`; only the main process calls it, when all is there.

        It may be called again after it was killed.

        Returns:
            What is to be renamed to the set's own name: a file or a folder in `folder`, or `folder` itself.
        """
        raise NotImplementedError

    def record_path(self, out: Path) -> Path:
        """Where the set's record is kept beside or in a finished set."""
        return out / RECORD

    def missing(self, out: Path) -> list[str]:
        """Names of files that a finished set lacks."""
        raise NotImplementedError
