"""One shard: a tar file that plain WebDataset reads, the same bytes for the same images."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import webdataset as wds
from numpy.typing import NDArray

from cgan_dist.data.codecs import SUFFIXES, encode
from cgan_dist.data.manifest import File, ImageFormat, Shard
from cgan_dist.data.shard_file import IMAGES, LABELS, index_dtype, label_json
from cgan_dist.labels import Labels, LabelSchema

PACK = 256
"""Images of one raw member: a member costs WebDataset 60-80 microseconds, however small it is."""


def write_shard(
    path: Path,
    samples: Iterable[tuple[NDArray[np.uint8], Any]],
    schema: LabelSchema,
    image: ImageFormat,
    quality: int,
) -> Shard | None:
    """Writes a tar file and, for encoded images, its index; each appears only when it is whole.

    Args:
        path: of the tar file; the index goes beside it.
        samples: images (H, W, C) uint8, all of the format's shape, each with its label; consumed once.
        schema: of the labels.
        image: the format.
        quality: of JPEG and WebP.

    Returns:
        What was written, or nothing if there was no sample.
    """
    partial = path.with_suffix(".part")
    with partial.open("wb") as file, wds.TarWriter(file, mtime=0, encoder=False) as tar:
        if image.encoding == "raw":
            labels = _write_packs(tar, path.stem, list(samples))
        else:
            labels = _write_members(tar, path.stem, samples, schema, image, quality)
    if labels is None:
        partial.unlink()
        return None
    index = None
    if image.encoding != "raw":
        content = _npy(_index(partial, labels, schema, SUFFIXES[image.encoding]))
        index_path = path.with_suffix(".index.npy")
        index_path.write_bytes(content)
        index = File(name=index_path.name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    partial.replace(path)
    with path.open("rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    return Shard(name=path.name, count=len(labels), bytes=path.stat().st_size, sha256=sha256, index=index)


def _write_packs(tar: wds.TarWriter, stem: str, samples: list[tuple[NDArray[np.uint8], Any]]) -> Labels | None:
    labels = _joined([label for _, label in samples])
    if labels is None:
        return None
    for start in range(0, len(samples), PACK):
        pack = slice(start, start + PACK)
        members = {IMAGES: _npy(np.stack([image for image, _ in samples[pack]])), LABELS: _npy(labels[pack])}
        tar.write({"__key__": f"{stem}-{start:06d}"} | members)
    return labels


def _write_members(
    tar: wds.TarWriter,
    stem: str,
    samples: Iterable[tuple[NDArray[np.uint8], Any]],
    schema: LabelSchema,
    image: ImageFormat,
    quality: int,
) -> Labels | None:
    labels = []
    for number, (picture, label) in enumerate(samples):
        labels.append(label)
        members = {SUFFIXES[image.encoding]: encode(picture, image.encoding, quality)}
        if schema.width != 0:
            members["json"] = label_json(label)
        tar.write({"__key__": f"{stem}-{number:06d}"} | members)
    return _joined(labels)


def _joined(labels: list[Any]) -> Labels | None:
    return np.stack(labels) if labels else None


def _index(path: Path, labels: Labels, schema: LabelSchema, suffix: str) -> NDArray[np.void]:
    entries = np.zeros(len(labels), index_dtype(schema))
    with tarfile.open(path) as tar:
        members = [member for member in tar if member.name.endswith(f".{suffix}")]
    entries["offset"] = [member.offset_data for member in members]
    entries["size"] = [member.size for member in members]
    entries["label"] = labels
    return entries


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
