"""Prepared data for every config: noise, in the sizes and with the labels that the config is for."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, NoLabels, ProductLabels

COUNT = 64
FACES = [
    *("Attractive", "Bald", "Bangs", "Black_Hair", "Blond_Hair", "Chubby", "Eyeglasses", "Male", "Smiling"),
    *("Wearing_Hat", "Young"),
]
"""Some of CelebA's forty, in its order."""
SCHEMAS: dict[str, LabelSchema] = {
    "none": NoLabels(),
    "three": ClassLabels(names=["a", "b", "c"]),
    "ten": ClassLabels(names=[str(number) for number in range(10)]),
    "thousand": ClassLabels(names=[str(number) for number in range(1000)]),
    "characters": ProductLabels(
        parts=[ClassLabels(names=[str(number) for number in range(1000)]), AttributeLabels(names=["p", "q"])]
    ),
    "faces": AttributeLabels(names=FACES),
    "reals": ContinuousLabels(names=["x", "y"], ranges=[(0.0, 1.0), (-1.0, 1.0)]),
    "several": ProductLabels(
        parts=[
            ClassLabels(names=["a", "b", "c"]),
            AttributeLabels(names=["p", "q"]),
            ContinuousLabels(names=["u"], ranges=[(0.0, 1.0)]),
        ]
    ),
}


class Data(NamedTuple):
    """Square images and their labels.

    Attributes:
        size: height and width in pixels.
        channels: 1 or 3.
        labels: key of `SCHEMAS`.
    """

    size: int
    channels: int
    labels: str

    def prepared(self, folder: Path) -> Path:
        """Writes the shards, once for each folder; returns where they are."""
        path = folder / "-".join(map(str, self))
        if not path.exists():
            generator = np.random.default_rng(0)
            images = generator.integers(0, 256, (COUNT, self.size, self.size, self.channels), dtype=np.uint8)
            schema = SCHEMAS[self.labels]
            labels = _labels(schema, generator).astype(schema.dtype)
            source = Source(labels=labels, schema=schema, read=InMemory(images), description="noise")
            write_shards(source, path, Plan(shards=4))
        return path


def _labels(schema: LabelSchema, generator: np.random.Generator) -> NDArray[np.generic]:
    if isinstance(schema, ProductLabels):
        parts = [_labels(part, generator) for part in schema.parts]
        return np.concatenate([part.reshape(COUNT, -1) for part in parts], axis=1)
    if isinstance(schema, AttributeLabels):
        return generator.integers(0, 2, (COUNT, len(schema.names)))
    if isinstance(schema, ContinuousLabels):
        return generator.random((COUNT, len(schema.names)))
    return np.arange(COUNT) % len(schema.names) if schema.names else np.empty((COUNT, 0))
