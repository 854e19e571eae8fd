"""One shard of a set that is being prepared: what a process does, and the note that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.data.manifest import ImageFormat, Shard
from cgan_dist.data.shard_writer import write_shard
from cgan_dist.data.source import Source
from cgan_dist.errors import UserError

Pixels = NDArray[np.uint8]


class ColourAmongGrey(Exception):
    """The set is not all grey, as its first image had it."""


class Written(BaseModel):
    """What became of one shard: the note beside it, for a second run to go on from.

    Attributes:
        shard: without the broken images; null if all are.
        broken: images that could not be read, by their number in the source, and the causes.
    """

    model_config = ConfigDict(frozen=True)
    shard: Shard | None
    broken: dict[int, str] = {}


@dataclass(frozen=True)
class ShardTask:
    """Writes any one shard, unless an interrupted run has.

    Attributes:
        source: of the images.
        folder: to write to.
        prepare: brings an image to its size and channels.
        image: the format that all must then have.
        quality: of JPEG and WebP.
        strict: whether channels are not to be decided otherwise.
    """

    source: Source
    folder: Path
    prepare: Callable[[Pixels], Pixels]
    image: ImageFormat
    quality: int
    strict: bool

    def __call__(self, number: int, chosen: NDArray[np.int64]) -> Written:
        """Writes shard `number` of the images `chosen`.

        Images that cannot be read are left out and noted, so that all of them are found in one run.

        Raises:
            UserError: if an image has another size or other channels.
            ColourAmongGrey: if an image is in colour, the format is grey and the task is not strict.
        """
        path = self.folder / f"shard-{number:05d}.tar"
        note = path.with_suffix(".json")
        if note.exists():
            written = Written.model_validate_json(read_text(note, RECORD_BYTES))
            if self._still_holds(written, path):
                return written
        broken: dict[int, str] = {}
        samples = self._samples(chosen, broken)
        shard = write_shard(path, samples, self.source.schema, self.image, self.quality)
        written = Written(shard=shard, broken=broken)
        partial = note.with_suffix(".note")
        partial.write_text(written.model_dump_json(), encoding="utf-8")
        partial.replace(note)
        return written

    def _still_holds(self, written: Written, path: Path) -> bool:
        """Whether a shard is whole, and what was broken has not been mended since."""
        whole = written.shard is None or (path.exists() and path.stat().st_size == written.shard.bytes)
        return whole and all(isinstance(read_or_cause(self.source, index), str) for index in written.broken)

    def _samples(self, chosen: NDArray[np.int64], broken: dict[int, str]) -> Iterator[tuple[Pixels, Any]]:
        expected = (self.image.height, self.image.width, self.image.channels)
        for index in map(int, chosen):
            read = read_or_cause(self.source, index)
            if isinstance(read, str):
                broken[index] = read
                continue
            found = self.prepare(read)
            if found.shape[2] > self.image.channels and not self.strict:
                raise ColourAmongGrey
            if found.shape[2] != self.image.channels:
                raise UserError(
                    f"{self.source.description}: image {index} has {found.shape[2]} channels, the first has "
                    f"{self.image.channels}; give --channels 1 or 3, or leave it out."
                )
            if found.shape != expected:
                own, size = f"{found.shape[1]}x{found.shape[0]}", f"{self.image.width}x{self.image.height}"
                raise UserError(
                    f"{self.source.description}: image {index} is {own}, the first is {size}. Bring all to one size: "
                    f"--size {size} or another, and --fit crop, pad or stretch says how."
                )
            yield found, self.source.labels[index]


def read_or_cause(source: Source, index: int) -> Pixels | str:
    """Reads image `index`, or returns why that is not possible."""
    try:
        return source.read(index)
    except UserError as error:
        return str(error)
