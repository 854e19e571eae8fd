"""Base of the forms that are packed from one raw file when all images are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgan_dist.image_sets.base import SetFacts, SetForm
from cgan_dist.image_sets.raw_file import RawFile


class RawForm(SetForm):
    """Keeps what is drawn in `raw`; its subclasses pack that into the set."""

    def __init__(self, folder: Path, facts: SetFacts) -> None:
        super().__init__(folder, facts)
        self.raw = RawFile(folder / "images.npy", (len(facts), *facts.image_shape))

    def write(self, first: int, images: NDArray[np.uint8]) -> str:
        """See `SetForm`."""
        return self.raw.write(first, images)

    def digest(self, first: int, count: int) -> str | None:
        """See `SetForm`."""
        return self.raw.digest(first, count)
