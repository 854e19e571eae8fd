"""A set of pictures as latents: encoded shard by shard, by any number of processes, and gone on with after a kill.

A shard of latents has the images of a shard of pictures, in their order, with their labels. Images are encoded in
batches that begin anew with each shard, so which process encodes it, and how often it was stopped, changes no bit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from tqdm import tqdm

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.data.manifest import MANIFEST, ImageFormat, Manifest
from cgan_dist.data.partial import PARTS, PLAN, check_unused, disk, join_partial
from cgan_dist.data.row_file import RowFile
from cgan_dist.data.shard_task import Written
from cgan_dist.data.shard_writer import write_shard
from cgan_dist.data.shards import OpenShard, ShardSet
from cgan_dist.errors import UserError
from cgan_dist.latents.autoencoder import Autoencoder
from cgan_dist.latents.facts import LatentFacts, PictureFacts
from cgan_dist.latents.stored import not_finite, to_bytes


class LatentSet:
    """One set. The main process calls `open`; then every rank `encode`; when all have, the main process `finish`.

    Args:
        pictures: what is encoded.
        autoencoder: by which, on the device of this process.
        out: folder to be; must not exist, or be empty.
        moments: keep log-variances too, so that training samples anew at each look; else the means alone.
        batch_size: pictures that are encoded at once.

    Raises:
        UserError: if they are latents already, or of a form that the autoencoder does not take.
    """

    def __init__(
        self, pictures: ShardSet, autoencoder: Autoencoder, out: Path, moments: bool = True, batch_size: int = 16
    ) -> None:
        self.pictures, self.autoencoder, self.out, self.batch_size = pictures, autoencoder, out, batch_size
        self.image = _format(pictures, autoencoder, moments)
        self.work = out.with_name(out.name + ".partial")

    def open(self) -> None:
        """Makes the folder to work in, or finds that of an interrupted run; of another plan's it removes nothing.

        Raises:
            UserError: if OUT is in use, or what is begun there is of another plan or something else.
        """
        check_unused(self.out)
        plan = {
            "pictures": self.pictures.manifest.fingerprint,
            "image": self.image.model_dump(),
            "batch_size": self.batch_size,
            "device": self.autoencoder.device.type,
        }
        join_partial(self.out, {json.dumps(plan): self.image})

    def encode(self, rank: int = 0, world_size: int = 1) -> None:
        """Encodes this rank's shards, those that are not there yet; every rank calls it.

        Raises:
            UserError: if a picture cannot be read or encoded, or the disk refuses; what is done is kept.
        """
        shards = self.pictures.manifest.shards
        own = range(rank, len(shards), world_size)
        total = sum(shards[number].count for number in own)
        progress = tqdm(total=total, desc=self.out.name, unit="image", disable=rank > 0)
        with disk(self.work), progress:
            for number in own:
                if self._note(number) is None:
                    self._encode_shard(number, progress)
                else:
                    progress.update(shards[number].count)

    def finish(self) -> Manifest:
        """Makes OUT of the shards.

        Raises:
            UserError: if some are missing, or the disk refuses.
        """
        source = self.pictures.manifest
        notes = [self._note(number) for number in range(len(source.shards))]
        if missing := [number for number, note in enumerate(notes) if note is None]:
            raise UserError(
                f"{self.work}: {len(missing)} of {len(notes)} shards are missing, first number {missing[0]}; give the "
                "same command again to encode them."
            )
        manifest = Manifest(
            count=source.count,
            image=self.image,
            labels=source.labels,
            histogram=source.histogram,
            source=source.source,
            seed=source.seed,
            shards=[note.shard for note in notes if note is not None and note.shard is not None],
        )
        with disk(self.work):
            (self.work / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
            if self.out.exists():
                self.out.rmdir()
            self.work.replace(self.out)
            self._clear()
        return manifest

    def _clear(self) -> None:
        """Takes out of OUT what told how far it was; a kill that leaves some of it there has spoilt nothing."""
        of_shards = [path for pattern in ("shard-*.json", "shard-*.rows") for path in self.out.glob(pattern)]
        for path in [self.out / PLAN, self.out / PARTS, *of_shards]:
            path.unlink(missing_ok=True)

    def _encode_shard(self, number: int, progress: tqdm[Any]) -> None:
        path, count = self._path(number), self.pictures.manifest.shards[number].count
        opened = self.pictures.open(number)
        shape = (self.image.height, self.image.width, self.image.channels)
        with RowFile(path.with_suffix(".rows"), shape, self.batch_size, count) as rows:
            progress.update(rows.done)
            for first in range(rows.done, count, self.batch_size):
                chosen = np.arange(first, min(first + self.batch_size, count))
                rows.append(self._encoded(opened, chosen))
                progress.update(len(chosen))
            samples = zip(rows.images(), opened.data.labels, strict=True)
            shard = write_shard(path, samples, self.pictures.manifest.labels, self.image, quality=0)
        partial = path.with_suffix(".note")
        partial.write_text(Written(shard=shard).model_dump_json(), encoding="utf-8")
        partial.replace(path.with_suffix(".json"))
        rows.path.unlink()

    def _encoded(self, shard: OpenShard, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Latents of some pictures as bytes; a last batch is filled up, for its size may decide the last bits."""
        filled = np.resize(chosen, self.batch_size)
        pictures = torch.from_numpy(self.pictures.take(shard, filled).images)
        moments = self.autoencoder.moments(rearrange(pictures, "n h w c -> n c h w"))
        assert self.image.latents is not None
        if not self.image.latents.moments:
            moments = moments.chunk(2, dim=1)[0]
        stored = to_bytes(rearrange(moments, "n c h w -> n h w c").cpu().numpy())[: len(chosen)]
        if len(bad := np.flatnonzero(not_finite(stored))):
            raise UserError(
                f"{self.pictures.storage.location}: shard {shard.number}, image {chosen[bad[0]]}: its latent is more "
                "than float16 holds, or no number. Suspect the autoencoder; nothing of this batch is kept."
            )
        return stored

    def _path(self, number: int) -> Path:
        return self.work / f"shard-{number:05d}.tar"

    def _note(self, number: int) -> Written | None:
        """What is known of a shard that is there in its size."""
        path = self._path(number)
        note = path.with_suffix(".json")
        if not note.exists():
            return None
        written = Written.model_validate_json(read_text(note, RECORD_BYTES))
        is_whole = written.shard is not None and path.exists() and path.stat().st_size == written.shard.bytes
        return written if is_whole else None


def _format(pictures: ShardSet, autoencoder: Autoencoder, moments: bool) -> ImageFormat:
    """What every latent will be.

    Raises:
        UserError: if these pictures have none.
    """
    image, where, config = pictures.manifest.image, pictures.storage.location, autoencoder.folder.config
    if image.latents is not None:
        raise UserError(f"{where}: these are latents already; expected pictures, as `cgan-dist prepare` writes them.")
    if image.channels > config.in_channels:
        raise UserError(
            f"{where}: pictures in colour, and {autoencoder.folder.path} takes grey ones. Prepare them with --channels "
            "1."
        )
    if image.height % config.factor or image.width % config.factor:
        raise UserError(
            f"{where}: pictures of {image.width}x{image.height}; {autoencoder.folder.path} takes sides that are "
            f"multiples of {config.factor}. Prepare them with another --size."
        )
    latents = LatentFacts(
        channels=config.latent_channels,
        moments=moments,
        autoencoder=autoencoder.folder.facts,
        picture=PictureFacts(channels=config.out_channels, height=image.height, width=image.width),
    )
    return ImageFormat(
        height=image.height // config.factor,
        width=image.width // config.factor,
        channels=latents.stored_channels,
        latents=latents,
    )
