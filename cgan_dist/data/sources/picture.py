"""A picture file to pixels: the one place that opens what a camera, an editor or a stranger wrote."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cgan_dist.bounds import PICTURE_PIXELS, regular
from cgan_dist.errors import UserError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Nothing else is tried: Pillow would hand an EPS file, whatever its name, to an interpreter of PostScript."""
SUFFIXES = (
    *(".apng", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Those of these formats, in small letters: what a folder is searched for."""
GREY_MODES = ("1", "L", "LA", "La")


@dataclass(frozen=True)
class Pictures:
    """The `read` of a set of picture files.

    Attributes:
        root: their folder.
        names: of each, relative to `root`.
        rgb: whether grey pictures get three channels too.
    """

    root: Path
    names: tuple[str, ...]
    rgb: bool = False

    def __call__(self, index: int) -> NDArray[np.uint8]:
        """Returns (H, W, C) uint8.

        Raises:
            UserError: naming the file and the cause.
        """
        pixels = read_picture(self.root / self.names[index])
        return np.repeat(pixels, 3, axis=2) if self.rgb and pixels.shape[2] == 1 else pixels


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Reads the first picture of a file, upright, opaque.

    Returns:
        (H, W, C) uint8, C being 1 for grey pictures and 3 (RGB) for all others. The EXIF orientation is applied,
        transparency shows white, and of 16 bits per grey value the upper 8 are kept.

    Raises:
        UserError: if the file is missing, no picture, truncated, corrupt, or has more than 64 megapixels
            (`PICTURE_PIXELS`).
    """
    try:
        return _read(regular(path), path)
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error


def decode_picture(content: bytes, where: str) -> NDArray[np.uint8]:
    """Reads the bytes of a picture file that lies in another file; `where` says which, for errors.

    See `read_picture`.
    """
    return _read(io.BytesIO(content), where)


def _read(file: Path | io.BytesIO, path: Path | str) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is an error below
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, PICTURE_PIXELS.limit)  # Pillow's own bound
            with Image.open(file, formats=FORMATS) as image:
                _check_size(image.width * image.height, path)
                kind = image.format
                ImageOps.exif_transpose(image, in_place=True)
                return _pixels(image, kind, path)
    except UserError:
        raise
    except Image.DecompressionBombError as error:  # Pillow has its own bound, and may look first
        raise UserError(_too_large(path, "far more")) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{path}: not a picture, or damaged at its beginning; expected {', '.join(FORMATS)}. Remove it or fetch "
            "it again."
        ) from error
    except Exception as error:  # decoders also raise SyntaxError, ValueError, TypeError, struct.error and more
        if isinstance(error, OSError) and error.strerror:
            raise UserError(f"{path}: cannot read: {error.strerror}.") from error
        raise UserError(f"{path}: truncated or corrupt: {error}. Remove it or fetch it again.") from error


def _check_size(pixels: int, path: Path | str) -> None:
    if pixels > PICTURE_PIXELS.limit:
        raise UserError(_too_large(path, f"{pixels / 1e6:.1f}"))


def _too_large(path: Path | str, megapixels: str) -> str:
    return (
        f"{path}: {megapixels} megapixels, expected at most {PICTURE_PIXELS.limit / 1e6:.0f}; scale it down or remove "
        f"it. {PICTURE_PIXELS.variable}=N in the environment allows N pixels."
    )


def _pixels(image: Image.Image, kind: str | None, path: Path | str) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):
        return (np.asarray(image) >> 8).astype(np.uint8)[..., None]  # Pillow's own conversion clips at 255
    if image.mode in ("I", "F"):
        raise UserError(f"{path}: 32-bit grey values, whose range is not stated; save it with 8 or 16 bits.")
    mode = "L" if image.mode in GREY_MODES else "RGB"
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    pixels: NDArray[np.uint8] = np.array(image.convert(mode))
    return pixels if mode == "RGB" else pixels[..., None]
