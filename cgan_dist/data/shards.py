"""Reading shards: every one is held against the manifest, and every error names shard, key and cause."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from webdataset.tariterators import group_by_keys, tar_file_expander

from cgan_dist.data.labelled import check_labels
from cgan_dist.data.manifest import Manifest, Shard
from cgan_dist.errors import UserError

AUTO_CACHE_BYTES = 1 << 30
EXAMPLE_SHARDS = 4


class Arrays(NamedTuple):
    """A decoded shard: images (N, C, H, W) uint8 and labels (N,) int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


class ShardSet:
    """The shards of one folder, decoded on demand and kept in memory where the cache policy says so.

    Args:
        folder: what `cgan-dist prepare` wrote.
        manifest: its manifest.
        cache: `ram` keeps every decoded shard, `none` keeps none, `auto` is `ram` for sets below 1 GiB.
    """

    def __init__(self, folder: Path, manifest: Manifest, cache: str = "auto") -> None:
        self.folder = folder
        self.manifest = manifest
        image = manifest.image
        decoded_bytes = manifest.count * image.height * image.width * image.channels
        self._keep = cache == "ram" or (cache == "auto" and decoded_bytes < AUTO_CACHE_BYTES)
        self._kept: dict[int, Arrays] = {}

    def load(self, index: int) -> Arrays:
        """Returns shard `index`, from memory or disk.

        Raises:
            UserError: if the file is not what the manifest says.
        """
        if index in self._kept:
            return self._kept[index]
        arrays = self._read(self.manifest.shards[index])
        if self._keep:
            self._kept[index] = arrays
        return arrays

    def load_all(self) -> Arrays:
        """Returns the whole set in shard order; for sets that fit in memory."""
        shards = [self.load(index) for index in range(len(self.manifest.shards))]
        return Arrays(np.concatenate([s.images for s in shards]), np.concatenate([s.labels for s in shards]))

    def examples(self, labels: Sequence[int], each: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Draws real images of each label from at most a few shards, however large the set is.

        Returns:
            (each, len(labels), C, H, W) uint8, white where too few were found.
        """
        image = self.manifest.image
        cells = np.full((each, len(labels), image.channels, image.height, image.width), 255, np.uint8)
        filled = [0] * len(labels)
        for shard in generator.permutation(len(self.manifest.shards))[:EXAMPLE_SHARDS]:
            arrays = self.load(int(shard))
            for column, label in enumerate(labels):
                found = generator.permutation(np.flatnonzero(arrays.labels == label))[: each - filled[column]]
                cells[filled[column] : filled[column] + len(found), column] = arrays.images[found]
                filled[column] += len(found)
            if min(filled) == each:
                break
        return cells

    def check_files(self) -> None:
        """Checks that every shard is there with the manifest's size; cheap, for every rank.

        Raises:
            UserError: naming the first shard that is not.
        """
        for shard in self.manifest.shards:
            path = self.folder / shard.name
            if not path.is_file():
                raise UserError(f"{path}: the manifest lists this shard, but it is missing. Copy it back or prepare the "
                                "data again.")
            if path.stat().st_size != shard.bytes:
                raise UserError(f"{path}: {path.stat().st_size:,} bytes, the manifest says {shard.bytes:,}: truncated or "
                                "replaced. Copy it back or prepare the data again.")

    def verify(self) -> None:
        """Reads everything: sha256 of each file, every image's shape, every label's range.

        Raises:
            UserError: naming the first shard that is not what the manifest says.
        """
        self.check_files()
        for index, shard in enumerate(self.manifest.shards):
            path = self.folder / shard.name
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != shard.sha256:
                raise UserError(f"{path}: sha256 is {digest[:16]}..., the manifest says {shard.sha256[:16]}...: the file "
                                "changed since it was prepared. Copy it back or prepare the data again.")
            self.load(index)

    def _read(self, shard: Shard) -> Arrays:
        path = self.folder / shard.name
        packs = [self._unpack(sample, path) for sample in _samples(path)]
        count = sum(len(pack.labels) for pack in packs)
        if count != shard.count:
            raise UserError(f"{path}: holds {count} images, the manifest says {shard.count}.")
        return Arrays(np.concatenate([p.images for p in packs]), np.concatenate([p.labels for p in packs]))

    def _unpack(self, sample: dict[str, Any], path: Path) -> Arrays:
        where = f"{path}, key {sample['__key__']}"
        images, labels = (_decode_npy(sample, member, where) for member in ("images.npy", "labels.npy"))
        image = self.manifest.image
        expected = (len(labels), image.height, image.width, image.channels)
        if images.shape != expected or images.dtype != np.uint8:
            raise UserError(f"{where}: images are {images.shape} {images.dtype}, expected {expected} uint8.")
        if labels.ndim != 1 or labels.dtype != np.int64:
            raise UserError(f"{where}: labels are {labels.shape} {labels.dtype}, expected (N,) int64.")
        check_labels(labels, len(self.manifest.labels.names), where)
        return Arrays(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels)


def _samples(path: Path) -> Iterator[dict[str, Any]]:
    """WebDataset's own parser over one local shard; nothing is decoded by it, so nothing can be unpickled."""
    try:
        with path.open("rb") as file:
            yield from group_by_keys(tar_file_expander([{"url": str(path), "stream": file}]))
    except (OSError, tarfile.TarError, ValueError) as error:
        raise UserError(f"{path}: not a readable tar file: {error}.") from error


def _decode_npy(sample: dict[str, Any], member: str, where: str) -> NDArray[Any]:
    if member not in sample:
        found = ", ".join(key for key in sample if not key.startswith("__")) or "nothing"
        raise UserError(f"{where}: the member {member} is missing; found {found}.")
    try:
        return np.load(io.BytesIO(sample[member]), allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{where}.{member}: not a plain .npy array: {error}.") from error
