"""The shards of one set: opened on demand, held against the manifest, decoded, and kept in memory where told so."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.adopted_shard import AdoptedShard, Tars
from cgan_dist.data.manifest import File, Manifest, Shard
from cgan_dist.data.ram import AUTO_BYTES, RamCache
from cgan_dist.data.shard_file import (
    Arrays,
    BadImage,
    DecodedShard,
    EncodedShard,
    PackedShard,
    ShardData,
    check_encoded,
    check_latents,
    index_labels,
    read_raw,
)
from cgan_dist.data.shared_memory import free_bytes
from cgan_dist.data.storage import Storage
from cgan_dist.errors import UserError
from cgan_dist.labels import Labels

if TYPE_CHECKING:
    from cgan_dist.latents.latent_range import LatentRange

VERIFY_AT_START_BYTES = 1 << 28
EXAMPLE_SHARDS = 4
MOST_OPEN = 64
"""Files that one process keeps open at most: it may have 1,024, and a shard's index takes memory."""

logger = logging.getLogger(__name__)


class TooMuchDamage(UserError):
    """More images are damaged than `data.max_bad_share` allows."""


class OpenShard(NamedTuple):
    """A shard that can be taken from, and its number: another than asked for where it stands in for a damaged one."""

    number: int
    data: ShardData


class ShardSet:
    """A prepared set, for reading.

    Args:
        storage: where it lies.
        cache: `ram` keeps every decoded shard in memory, `none` keeps none, `auto` is `ram` below 4 GiB.
        on_error: `stop` raises at the first damage; `skip` puts the next good image (or shard) in a damaged one's
            place, the same one at every run and on every process, and counts.
        max_bad_share: share of damaged images that `skip` tolerates.

    Attributes:
        decoder: what makes pictures of latents; to be set before any are asked for.

    Raises:
        UserError: if there is no manifest, or a damaged one.
    """

    def __init__(
        self,
        storage: Storage,
        cache: Literal["auto", "ram", "none"] = "auto",
        on_error: Literal["stop", "skip"] = "stop",
        max_bad_share: float = 0.001,
    ) -> None:
        self.storage = storage
        self.manifest: Manifest = storage.manifest()
        self.skips = on_error == "skip"
        self.max_bad_share = max_bad_share
        self.bad: dict[tuple[int, int | None], int] = {}
        size = self.manifest.decoded_bytes
        keep = cache == "ram" or (cache == "auto" and size < AUTO_BYTES)
        self._ram = RamCache(f"{on_error}-{self.manifest.fingerprint}", size) if keep else None
        self._tars = None if self.manifest.tars is None else Tars(storage, self.manifest.tars)
        self._trusted: set[str] = set()
        self._kept_open: dict[int, ShardData] = {}
        self.decoder: LatentRange | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept_open": {}, "decoder": None}  # workers show nobody anything

    @property
    def cache_folder(self) -> Path:
        """A local folder for what is learned from this set, e.g. a classifier."""
        storage = self.storage
        return storage.cache / self.manifest.fingerprint if storage.is_remote else Path(storage.location) / ".cache"

    def keep_free(self, wanted_bytes: int) -> int | None:
        """Sees that so much of shared memory stays free, if need be by leaving decoded shards out of it.

        Returns:
            What is free of it and not meant for decoded shards; None where the system has none.
        """
        free = free_bytes()
        if free is None or self._ram is None:
            return free
        if free - self._ram.missing_bytes < wanted_bytes:
            self._ram.folder = None
        return free - self._ram.missing_bytes

    def open(self, index: int) -> OpenShard:
        """Opens shard `index` or, where damage is skipped, the next good one in its place.

        Raises:
            UserError: at damage that `on_error` does not allow.
        """
        count = len(self.manifest.shards)
        for step in range(count):
            number = (index + step) % count
            try:
                return OpenShard(number, self._load(number))
            except (BadImage, TooMuchDamage):
                raise
            except UserError as error:
                self._damaged(number, error)
        raise UserError(f"{self.storage.location}: not one shard can be read.")

    def take(self, shard: OpenShard, chosen: NDArray[np.int64], out: NDArray[np.uint8] | None = None) -> Arrays:
        """Reads images and labels of an open shard by their numbers in it, modulo its count.

        Args:
            shard: from `open`.
            chosen: (N,) numbers.
            out: (N, H, W, C) uint8 to fill; null makes it.

        Raises:
            UserError: at damage that `on_error` does not allow.
        """
        if out is None:
            image = self.manifest.image
            out = np.empty((len(chosen), image.height, image.width, image.channels), np.uint8)
        chosen = chosen % len(shard.data.labels)
        try:
            shard.data.take(chosen, out)
        except BadImage:
            if not self.skips:
                raise
            chosen = self._good(shard, chosen, out)
        return Arrays(out, shard.data.labels[chosen])

    def pictures(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What a person sees of stored images: themselves; of latents their decoded means, (N, h, w, c) uint8.

        Raises:
            UserError: if they are latents, and nothing decodes them.
        """
        latents = self.manifest.image.latents
        if latents is None:
            return images
        if self.decoder is None:
            raise UserError(
                f"{self.storage.location}: latents of the autoencoder '{latents.autoencoder.name}', of which "
                "no picture is made without it. Give --autoencoder DIR, or data.autoencoder in a config."
            )
        return self.decoder.pictures(images)

    def load_all(self) -> Arrays:
        """Returns the whole set in shard order; for sets that fit in memory."""
        parts = [self.take(self.open(i), np.arange(shard.count)) for i, shard in enumerate(self.manifest.shards)]
        return Arrays(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def labels(self, count: int) -> Labels:
        """Returns the labels of the first shards that hold at least `count` images together, or of all; no pictures."""
        found: list[Labels] = []
        for index in range(len(self.manifest.shards)):
            found.append(self.open(index).data.labels)
            if sum(map(len, found)) >= count:
                break
        return np.concatenate(found)

    def labels_of(self, index: int) -> Labels:
        """Returns the labels of one shard; no picture is decoded, and nothing kept.

        Raises:
            UserError: at any damage: another shard's labels cannot stand in for these.
        """
        facts, schema = self.manifest.shards[index], self.manifest.labels
        if self._tars is not None:
            labels = self._adopted(self._trusted_path(facts)).labels
        elif facts.index is None:
            labels = PackedShard(self.storage.local_path(facts), self.manifest.image, schema).labels
        else:
            labels = index_labels(self._trusted_path(facts.index), schema)
        if len(labels) != facts.count:
            raise UserError(f"{self.storage.join(facts.name)}: {len(labels)} labels, the manifest says {facts.count}.")
        return labels

    def examples(
        self, wanted: Sequence[Callable[[Labels], NDArray[np.bool_]]], each: int, generator: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Draws images whose labels are as wanted, from at most a few shards, however large the set is.

        Args:
            wanted: for each column, which of the labels given belong in it.
            each: images of a column.
            generator: decides which.

        Returns:
            (each, len(wanted), H, W, C) uint8 pictures, white where too few were found.
        """
        image = self.manifest.image.picture
        cells = np.full((each, len(wanted), image.height, image.width, image.channels), 255, np.uint8)
        filled = [0] * len(wanted)
        for shard in generator.permutation(len(self.manifest.shards))[:EXAMPLE_SHARDS]:
            opened = self.open(int(shard))
            for column, fits in enumerate(wanted):
                found = generator.permutation(np.flatnonzero(fits(opened.data.labels)))[: each - filled[column]]
                if len(found):
                    shown = self.pictures(self.take(opened, found).images)
                    cells[filled[column] : filled[column] + len(found), column] = shown
                filled[column] += len(found)
            if min(filled) == each:
                break
        return cells

    def check_files(self) -> None:
        """Checks that every local file is there with the manifest's size; cheap, for every rank.

        Raises:
            UserError: naming the first that is not, unless damage is skipped.
        """
        if not self.skips:
            self.storage.check_sizes(self._files())

    def verify(self) -> None:
        """Reads everything: sha256 of each file, every image, every label.

        Raises:
            UserError: at the first damage, or with `skip` when there is more than is tolerated.
        """
        self.check_files()
        for tar in (self.manifest.tars or []) if not self.skips else []:  # else it is its images that count
            self._trusted_path(tar)
        for index, shard in enumerate(self.manifest.shards):
            try:
                bad = self._verify_shard(shard)
            except UserError as error:
                self._damaged(index, error)
                continue
            for number, cause in bad:
                if not self.skips:
                    raise cause
                self._count_bad((index, number), 1, cause)

    def verify_if_small(self) -> None:
        """Verifies sets below 256 MiB; larger ones are checked shard by shard as they are opened."""
        if self.manifest.stored_bytes < VERIFY_AT_START_BYTES and not self.storage.is_remote:
            self.verify()
        else:
            self.check_files()

    def _load(self, index: int) -> ShardData:
        if self._ram is not None and (kept := self._ram.get(index)) is not None:
            return DecodedShard(kept)
        if index in self._kept_open:
            return self._kept_open[index]
        facts = self.manifest.shards[index]
        path = self._trusted_path(facts)
        data: ShardData
        if self._tars is not None:
            data = self._adopted(path)
        elif facts.index is None:
            data = PackedShard(path, self.manifest.image, self.manifest.labels)
        else:
            data = EncodedShard(path, self._trusted_path(facts.index), self.manifest.image, self.manifest.labels)
        if len(data.labels) != facts.count:
            raise UserError(f"{path}: holds {len(data.labels)} images, the manifest says {facts.count}.")
        if self._ram is None:
            self._keep_open(index, data)
            return data
        return DecodedShard(self._ram.put(index, self.take(OpenShard(index, data), np.arange(facts.count))))

    def _keep_open(self, index: int, data: ShardData) -> None:
        """Keeps a file's map and index, for orders that come back to a shard after a few of its images."""
        if len(self._kept_open) >= MOST_OPEN:
            del self._kept_open[next(iter(self._kept_open))]
        self._kept_open[index] = data

    def _trusted_path(self, file: File) -> Path:
        """A file on this machine whose sha256 this process has checked."""
        path = self.storage.local_path(file)
        if file.name not in self._trusted:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != file.sha256:
                raise UserError(
                    f"{path}: sha256 is {digest[:16]}..., the manifest says {file.sha256[:16]}...: the file changed "
                    f"since it was prepared. {self.storage.advice}"
                )
            self._trusted.add(file.name)
        return path

    def _adopted(self, path: Path) -> AdoptedShard:
        assert self._tars is not None
        return AdoptedShard(path, self._tars, self.manifest.image, self.manifest.labels)

    def _verify_shard(self, shard: Shard) -> list[tuple[int, BadImage]]:
        path, image, schema = self._trusted_path(shard), self.manifest.image, self.manifest.labels
        if self._tars is not None:
            opened_list = self._adopted(path)
            count, bad = len(opened_list.labels), opened_list.check()
        elif shard.index is None:
            read = read_raw(path, image, schema)
            count, bad = len(read.labels), [] if image.latents is None else check_latents(path, read.images)
        else:
            opened = EncodedShard(path, self._trusted_path(shard.index), image, schema)
            count, bad = len(opened.labels), check_encoded(path, opened, schema)
        if count != shard.count:
            raise UserError(f"{path}: holds {count} images, the manifest says {shard.count}.")
        return bad

    def _good(self, shard: OpenShard, chosen: NDArray[np.int64], out: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Fills `out`, the next good image of the same shard in the place of each damaged one; returns the numbers."""
        good, count = chosen.copy(), len(shard.data.labels)
        for place, number in enumerate(chosen.tolist()):
            for candidate in ((number + step) % count for step in range(count)):
                if (shard.number, candidate) in self.bad:
                    continue
                try:
                    shard.data.take(np.array([candidate]), out[place : place + 1])
                except BadImage as error:
                    self._count_bad((shard.number, candidate), 1, error)
                else:
                    good[place] = candidate
                    break
            else:
                raise TooMuchDamage(f"{self.storage.location}: not one image of shard {shard.number} can be read.")
        return good

    def _damaged(self, index: int, error: UserError) -> None:
        """A whole shard is unusable."""
        if not self.skips:
            raise error
        self._count_bad((index, None), self.manifest.shards[index].count, error)

    def _count_bad(self, key: tuple[int, int | None], images: int, error: UserError) -> None:
        if key in self.bad:
            return
        self.bad[key] = images
        total = sum(self.bad.values())
        logger.warning("Skipped %s image(s), %s so far: %s", images, total, error)
        if total > self.max_bad_share * self.manifest.count:
            raise TooMuchDamage(
                f"data.on_error: {total} of {self.manifest.count:,} images are damaged, more than data.max_bad_share = "
                f"{self.max_bad_share:g} allows. The last: {error}"
            ) from error

    def _files(self) -> list[File]:
        files = [file for shard in self.manifest.shards for file in (shard, shard.index) if file is not None]
        return [*(self.manifest.tars or []), *files]
