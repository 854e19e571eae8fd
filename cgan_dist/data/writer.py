"""Labelled images to WebDataset shards: shuffled once, cut evenly, packed many images to a tar member."""

from __future__ import annotations

import hashlib
import io
import logging
import shutil
from pathlib import Path

import numpy as np
import webdataset as wds
from numpy.typing import NDArray
from tqdm import tqdm

from cgan_dist.data.labelled import LabelledImages
from cgan_dist.data.manifest import FILE_NAME, ClassLabels, ImageFormat, Manifest, Shard
from cgan_dist.errors import UserError
from cgan_dist.randomness import numpy_generator

PACK = 256
"""Images of one tar member: a member costs WebDataset 60-80 microseconds, however small it is."""

logger = logging.getLogger(__name__)


def write_shards(data: LabelledImages, out: Path, num_shards: int, seed: int) -> Manifest:
    """Writes shards and manifest to a new folder, which appears only when it is whole.

    A shard holds pairs of members `KEY.images.npy` (P, H, W, C) uint8 and `KEY.labels.npy` (P,) int64, P <= 256. The
    same data, shard count and seed give the same bytes.

    Args:
        data: the labelled images.
        out: folder to make; must not exist, or be empty.
        num_shards: at most one per image; counts differ by at most one.
        seed: of the global shuffle.

    Raises:
        UserError: if `out` is in use or `num_shards` is impossible.
    """
    count = len(data.images)
    if not 1 <= num_shards <= count:
        raise UserError(f"--shards {num_shards}: expected 1 to {count:,}, one image per shard at least.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out}: already exists and is not an empty folder; remove it or choose another.")
    fresh = out.with_name(out.name + ".partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    order = numpy_generator(seed, "prepare").permutation(count)
    shards = [
        _write_shard(fresh / f"shard-{index:05d}.tar", data.images[chosen], data.labels[chosen])
        for index, chosen in enumerate(tqdm(np.array_split(order, num_shards), desc="shards", unit="shard"))
    ]
    manifest = Manifest(
        count=count,
        image=ImageFormat(**dict(zip(("height", "width", "channels"), data.images.shape[1:], strict=True))),
        labels=ClassLabels(
            names=list(data.class_names),
            histogram=np.bincount(data.labels, minlength=len(data.class_names)).tolist(),
        ),
        source=data.source,
        seed=seed,
        shards=shards,
    )
    (fresh / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")
    if out.exists():
        out.rmdir()
    fresh.replace(out)
    return manifest


def _write_shard(path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Shard:
    buffer = io.BytesIO()
    with wds.TarWriter(buffer, mtime=0, encoder=False) as tar:
        for start in range(0, len(images), PACK):
            pack = slice(start, start + PACK)
            tar.write({
                "__key__": f"{path.stem}-{start:06d}",
                "images.npy": _npy(images[pack]),
                "labels.npy": _npy(labels[pack]),
            })
    content = buffer.getvalue()
    path.write_bytes(content)
    return Shard(name=path.name, count=len(images), bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
