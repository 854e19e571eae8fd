"""Tars as other people write them, for tests: by webdataset itself, or member by member."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import webdataset
from PIL import Image

NAMES = ("red", "green", "blue")


def picture(
    seed: int, size: tuple[int, int] = (12, 12), kind: str = "JPEG", mode: str = "RGB", **options: Any
) -> bytes:
    """A picture file of noise whose brightest colour is that of its class, seed modulo 3."""
    pixels = np.random.default_rng(seed).integers(0, 60, (size[1], size[0], 3), dtype=np.uint8)
    pixels[..., seed % 3] += np.uint8(190)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def write_shards(folder: Path, samples: Sequence[Mapping[str, Any]], per_tar: int = 10) -> Path:
    """Tars that webdataset's own writer makes; samples lack their keys."""
    folder.mkdir(parents=True, exist_ok=True)
    with webdataset.ShardWriter(str(folder / "mine-%06d.tar"), maxcount=per_tar, verbose=0) as shards:
        for number, sample in enumerate(samples):
            shards.write({"__key__": f"{number:06d}"} | dict(sample))
    return folder


def sorted_samples(count: int = 30) -> list[dict[str, Any]]:
    """All of class 0, then all of class 1, and so on, as many sets are written."""
    seeds = sorted(range(count), key=lambda seed: seed % 3)
    return [{"jpg": picture(seed), "cls": seed % 3, "json": {"label": {"name": NAMES[seed % 3]}}} for seed in seeds]


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    """A tar of these members, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
