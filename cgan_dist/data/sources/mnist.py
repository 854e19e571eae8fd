"""`mnist`: LeCun, Cortes and Burges' handwritten digits, downloaded or from a folder of IDX files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cgan_dist.data.download import download
from cgan_dist.data.source import Source
from cgan_dist.data.sources.idx import load_pairs

DIGITS = tuple(str(digit) for digit in range(10))
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load(folder: Path | None, split: str) -> Source:
    """Reads the four IDX files from `folder`, or downloads them (11 MB) and checks their sha256.

    Raises:
        UserError: if a file is missing, damaged, or cannot be downloaded.
    """
    if folder is not None:
        return load_pairs(folder, split, DIGITS, f"MNIST from {folder}")
    with tempfile.TemporaryDirectory(prefix="mnist-") as fresh:
        for name, sha256 in SHA256.items():
            download(f"{MIRROR}/{name}", Path(fresh) / name, sha256, hint="--source FOLDER reads files you have")
        return load_pairs(Path(fresh), split, DIGITS, f"MNIST from {MIRROR}")
