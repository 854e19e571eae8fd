"""Small prepared sets of every kind of labels, for configs to be made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cgan_dist.data.manifest import ImageFormat, Manifest, Shard
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, NoLabels, ProductLabels
from cgan_dist.recipes.facts import Facts

COUNT = 24
SCHEMAS: dict[str, LabelSchema] = {
    "classes": ClassLabels(names=["ant", "bee: 1", "c# {\t"]),
    "one class": ClassLabels(names=["ant"]),
    "attributes": AttributeLabels(names=["red", "on", "[x, y]"]),
    "continuous": ContinuousLabels(names=["angle"], ranges=[(0.0, 360.0)]),
    "product": ProductLabels(
        parts=[
            ClassLabels(names=["ant", "bee"]),
            AttributeLabels(names=["red"]),
            ContinuousLabels(names=["angle"], ranges=[(0.0, 360.0)]),
        ]
    ),
    "one class and two kinds": ProductLabels(
        parts=[
            ClassLabels(names=["ant"]),
            AttributeLabels(names=["red", "{'"]),
            ContinuousLabels(names=["angle"], ranges=[(0.0, 360.0)]),
        ]
    ),
    "one class and another group": ProductLabels(
        parts=[ClassLabels(names=["ant"]), ClassLabels(names=["small", "large"])]
    ),
    "none": NoLabels(),
}


def labels_of(schema: LabelSchema, count: int = COUNT) -> np.ndarray:
    """Labels of each kind that differ from image to image."""
    numbers = np.arange(count)
    if isinstance(schema, ProductLabels):
        return schema.join([labels_of(part, count) for part in schema.parts])
    if isinstance(schema, ClassLabels):
        return numbers % len(schema.names)
    if isinstance(schema, AttributeLabels):
        return np.stack([numbers // (place + 1) % 2 for place in range(len(schema.names))], axis=1).astype(np.uint8)
    if isinstance(schema, ContinuousLabels):
        return np.stack([np.linspace(low, high, count) for low, high in schema.ranges], axis=1).astype(np.float32)
    return np.empty((count, 0), np.uint8)


def prepared(folder: Path, kind: str, size: tuple[int, int] = (8, 8), channels: int = 3) -> Path:
    """Writes a set of noise with such labels."""
    schema = SCHEMAS[kind]
    images = np.random.default_rng(0).integers(0, 256, (COUNT, *size, channels), dtype=np.uint8)
    source = Source(labels=labels_of(schema), schema=schema, read=InMemory(images), description="noise")
    write_shards(source, folder, Plan(shards=2), processes=1)
    return folder


def facts_of(
    size: tuple[int, int] = (64, 64), channels: int = 3, count: int = 2_000, labels: LabelSchema | None = None
) -> Facts:
    """What a set would say of itself; its files are not there."""
    schema = labels or SCHEMAS["classes"]
    manifest = Manifest(
        count=count,
        image=ImageFormat(height=size[0], width=size[1], channels=1 if channels == 1 else 3),
        labels=schema,
        histogram=schema.histogram(labels_of(schema, count)),
        source="",
        seed=0,
        shards=[Shard(name="s.tar", bytes=1_000 * count, sha256="0" * 64, count=count)],
    )
    return Facts("data/set", manifest)
