"""Every picture of a tar looked at once, to see whether the set can be trained on as it is."""

from __future__ import annotations

import hashlib
import io
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cgan_dist.bounds import regular
from cgan_dist.data.codecs import CorruptImage, Encoding, decoder
from cgan_dist.errors import UserError

ENCODINGS: dict[str | None, Encoding] = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "WEBP": "webp"}
CHANNELS = {"1": 1, "L": 1, "RGB": 3, "P": 3}
"""Modes that are read as they are; what others show depends on who reads them."""
ORIENTATION, UPRIGHT = 0x0112, 1


class TarTask(NamedTuple):
    """A tar, and where its pictures lie: offsets and sizes, (N,)."""

    path: Path
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]


class Kind(NamedTuple):
    """What all pictures of a set must have in common to be used as they are; of channels, grey may be among colour."""

    encoding: Encoding
    height: int
    width: int


@dataclass
class Examined:
    """A tar, looked at.

    Attributes:
        bytes: of the file.
        sha256: of the file, hex.
        checksums: (N,) CRC-32 of each picture's bytes.
        kinds: the kinds of picture, each with how many there are and the offset of the first.
        channels: the most of any picture.
        broken: pictures that cannot be read, by their place, and the causes.
        unfit: pictures that only a new copy makes usable, by their place, and the causes.
    """

    bytes: int
    sha256: str
    checksums: NDArray[np.uint32]
    kinds: dict[Kind, tuple[int, int]] = field(default_factory=dict)
    channels: int = 1
    broken: dict[int, str] = field(default_factory=dict)
    unfit: dict[int, str] = field(default_factory=dict)


def examine(task: TarTask) -> Examined:
    """Reads a tar from end to end and decodes its pictures.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        with regular(task.path).open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            found = Examined(file.tell(), sha256, np.zeros(len(task.offsets), np.uint32))
            for place, (offset, size) in enumerate(zip(task.offsets.tolist(), task.sizes.tolist(), strict=True)):
                file.seek(offset)
                content = file.read(size)
                found.checksums[place] = zlib.crc32(content)
                try:
                    kind, channels = _look(content)
                except CorruptImage as error:
                    found.broken[place] = str(error)
                    continue
                except _UnfitError as error:
                    found.unfit[place] = str(error)
                    continue
                count, first = found.kinds.get(kind, (0, offset))
                found.kinds[kind] = (count + 1, first)
                found.channels = max(found.channels, channels)
    except OSError as error:
        raise UserError(f"{task.path}: cannot read: {error.strerror or error}.") from error
    return found


class _UnfitError(Exception):
    """A picture that decoders of training would show otherwise than it is meant."""


def _look(content: bytes) -> tuple[Kind, int]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is found by decoding
            with Image.open(io.BytesIO(content), formats=["JPEG", "PNG", "WEBP"]) as picture:
                _refuse_unfit(picture)
                kind = Kind(ENCODINGS[picture.format], picture.height, picture.width)
                channels = CHANNELS[picture.mode]
    except _UnfitError:
        raise
    except UnidentifiedImageError:
        raise CorruptImage("of another kind than JPEG, PNG and WebP, or damaged at its beginning") from None
    except Exception as error:  # decoders raise almost anything
        raise CorruptImage(str(error)) from error
    decoder(kind.encoding, channels)(content, None)
    return kind, channels


def _refuse_unfit(picture: Image.Image) -> None:
    if picture.has_transparency_data:
        raise _UnfitError("it is transparent in places")
    if picture.mode not in CHANNELS:
        raise _UnfitError(f"its pixels are {picture.mode}, expected grey or RGB of 8 bits")
    if picture.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
        raise _UnfitError("it lies on its side (EXIF orientation)")
