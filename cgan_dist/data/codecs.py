"""Between an image and the bytes of a tar member.

Decoders, fastest first, are chosen once per process: simplejpeg for JPEG where it is installed (bench/decoders.py has
the figures), Pillow for everything.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cgan_dist.bounds import STORED_PIXELS

Encoding = Literal["raw", "jpeg", "png", "webp"]
Picture = NDArray[np.uint8]
Decoder = Callable[[bytes, Picture | None], Picture]
"""Bytes to an image; where an array is given and fits, the decoder may fill and return it."""
SUFFIXES: dict[str, str] = {"jpeg": "jpg", "png": "png", "webp": "webp"}


class CorruptImage(Exception):
    """Bytes that are no image of the stated kind; the text says why."""


def encode(image: Picture, encoding: Encoding, quality: int) -> bytes:
    """Encodes (H, W, C) uint8, C being 1 or 3; JPEG without chroma subsampling, WebP and JPEG at `quality`."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    options = {"jpeg": {"quality": quality, "subsampling": 0}, "webp": {"quality": quality}, "png": {}}[encoding]
    picture.save(buffer, format=encoding, **options)
    return buffer.getvalue()


def decoder(encoding: Encoding, channels: int, library: str | None = None) -> Decoder:
    """Returns the function that turns a member into (H, W, C) uint8 and raises CorruptImage.

    Args:
        encoding: of the member; its first bytes are checked against it.
        channels: 1 or 3.
        library: `simplejpeg` or `pillow`; null takes the fastest that is installed.
    """
    if encoding == "jpeg" and library in (None, "simplejpeg"):
        try:
            return _simplejpeg_decoder(channels)
        except ImportError:
            if library is not None:
                raise
    return _pillow_decoder(encoding, channels)


def _simplejpeg_decoder(channels: int) -> Decoder:
    import simplejpeg

    colorspace = "GRAY" if channels == 1 else "RGB"

    def decode(content: bytes, out: Picture | None = None) -> Picture:
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(content)
            if height * width > STORED_PIXELS.limit:
                raise CorruptImage(f"{width}x{height} pixels: a decompression bomb")
            if out is None or out.shape != (height, width, channels):
                return simplejpeg.decode_jpeg(content, colorspace)  # type: ignore[no-any-return]
            simplejpeg.decode_jpeg(content, colorspace, buffer=out)
        except ValueError as error:
            raise CorruptImage(str(error)) from error
        return out

    return decode


def _pillow_decoder(encoding: Encoding, channels: int) -> Decoder:
    mode = "L" if channels == 1 else "RGB"

    def decode(content: bytes, out: Picture | None = None) -> Picture:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with Image.open(io.BytesIO(content), formats=[encoding]) as picture:
                    if picture.width * picture.height > STORED_PIXELS.limit:
                        raise CorruptImage(f"{picture.width}x{picture.height} pixels: a decompression bomb")
                    array = np.asarray(picture.convert(mode))
        except UnidentifiedImageError as error:  # its text is the address of a buffer
            raise CorruptImage("of another kind, or damaged at its beginning") from error
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
            raise CorruptImage(str(error)) from error
        return array.reshape(*array.shape[:2], channels)

    return decode
