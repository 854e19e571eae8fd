"""`emnist`: Cohen, Afshar, Tapson and van Schaik's handwritten letters and digits (arXiv:1702.05373), in IDX files."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np

from cgan_dist.data.source import Source
from cgan_dist.data.sources.class_numbers import numbered
from cgan_dist.data.sources.files import check_split, existing_folder
from cgan_dist.data.sources.idx import find_idx, read_idx
from cgan_dist.errors import UserError, close_match

MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"
"""Small letters that look like their capitals are one class with them."""
SUBSETS = {
    "balanced": MERGED,
    "bymerge": MERGED,
    "byclass": string.digits + string.ascii_uppercase + string.ascii_lowercase,
    "digits": string.digits,
    "mnist": string.digits,
    "letters": string.ascii_uppercase,
}
FIRST_LABEL = {"letters": 1}
SPLITS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}
HOME = "https://www.nist.gov/itl/products-and-services/emnist-dataset"


def load(folder: Path | None, split: str, *, subset: str = "balanced") -> Source:
    """Reads `emnist-SUBSET-train-images-idx3-ubyte.gz` and its like; images, which lie on their side, are set upright.

    Args:
        folder: of the files, unpacked from the publisher's gzip.zip.
        split: `train`, `test` or `all` of them.
        subset: `balanced` or `bymerge` (47 classes), `byclass` (62), `letters` (26), `digits` or `mnist` (10).

    Raises:
        UserError: if a file is missing or damaged, or the subset is unknown.
    """
    check_split(split, tuple(SPLITS))
    if subset not in SUBSETS:
        raise UserError(f"subset: '{subset}'; expected one of {', '.join(SUBSETS)}.{close_match(subset, SUBSETS)}")
    folder = existing_folder(folder, "emnist", f"the files of {HOME}")
    images, labels = [], []
    for part in SPLITS[split]:
        images.append(read_idx(find_idx(folder, f"emnist-{subset}-{part}-images-idx3-ubyte"), 3))
        labels.append(read_idx(find_idx(folder, f"emnist-{subset}-{part}-labels-idx1-ubyte"), 1))
    upright = np.ascontiguousarray(np.concatenate(images).transpose(0, 2, 1))[..., None]
    description = f"EMNIST {subset} from {folder} ({split})"
    return numbered(upright, np.concatenate(labels), list(SUBSETS[subset]), description, FIRST_LABEL.get(subset, 0))
