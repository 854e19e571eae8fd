"""Sets that the `datasets` library itself writes."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
from PIL import Image

COUNT = 6
KINDS = {
    "label": datasets.ClassLabel(names=["cat", "dog", "eel"]),
    "number": datasets.Value("int32"),
    "word": datasets.Value("string"),
    "wet": datasets.Value("bool"),
    "age": datasets.Value("float64"),
    "tags": datasets.List(datasets.ClassLabel(names=["x", "y", "z"])),
    "words": datasets.List(datasets.Value("string")),
    "bits": datasets.List(datasets.Value("int64")),
    "pose": datasets.List(datasets.Value("float32"), length=2),
    "pixels": datasets.Array3D((4, 4, 3), "uint8"),
}
VALUES: dict[str, list[Any]] = {
    "label": [0, 1, 0, 1, 0, 1],
    "number": [9, 10, 2, 9, 2, 2],
    "word": ["b10", "b9", "b9", "b10", " b9", "b9"],
    "wet": [True, False, False, True, True, False],
    "age": [0.5, 1, 2, 3, 4, 5],
    "tags": [[0, 2], [], [1], [0], [2, 1], []],
    "words": [["u"], ["v", "u"], [], ["v"], ["u"], []],
    "bits": [[0, 1], [1, 1], [0, 0], [1, 0], [0, 1], [1, 0]],
    "pose": [[0, 1], [1, 2], [0.5, 3], [1, 0], [0, 1], [1, 0]],
    "pixels": [np.full((4, 4, 3), 10 * number, np.uint8).tolist() for number in range(COUNT)],
}


def made(*columns: str, start: int = 0) -> datasets.Dataset:
    """Six pictures, the grey of each 10 times its number plus `start`, and columns of labels."""
    pictures = [Image.new("RGB", (4, 4), (10 * number + start,) * 3) for number in range(COUNT)]
    features = datasets.Features({"image": datasets.Image()} | {column: KINDS[column] for column in columns})
    return datasets.Dataset.from_dict({"image": pictures} | {c: VALUES[c] for c in columns}, features=features)
