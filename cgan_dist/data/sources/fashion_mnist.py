"""`fashion_mnist`: Xiao, Rasul and Vollgraf's articles of clothing (arXiv:1708.07747), in MNIST's IDX files."""

from __future__ import annotations

from pathlib import Path

from cgan_dist.data.source import Source
from cgan_dist.data.sources.idx import load_pairs
from cgan_dist.errors import UserError

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASS_NAMES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def load(folder: Path | None, split: str) -> Source:
    """Reads the four IDX files from `folder`, by default where Debian's package dataset-fashion-mnist puts them.

    Raises:
        UserError: if the folder or a file is missing or damaged.
    """
    if folder is None and not DEBIAN_FOLDER.exists():
        raise UserError(
            f"{DEBIAN_FOLDER} is missing: apt-get install dataset-fashion-mnist, or --source FOLDER with the four IDX "
            "files of https://github.com/zalandoresearch/fashion-mnist."
        )
    folder = folder or DEBIAN_FOLDER
    return load_pairs(folder, split, CLASS_NAMES, f"Fashion-MNIST from {folder}")
