"""Facts and images of small sets, for tests of their forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cgan_dist.image_sets.base import SetFacts
from cgan_dist.labels import Labels, LabelSchema

SHAPE = (6, 5, 3)


def facts_of(schema: LabelSchema, labels: Labels, shape: tuple[int, int, int] = SHAPE) -> SetFacts:
    """Of images of 6x5 pixels in colour."""
    return SetFacts(labels=labels, schema=schema, image_shape=shape, description="samples of a test")


def noise(count: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """(count, H, W, C) uint8."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
