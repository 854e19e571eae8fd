"""A picture's file: the end of its name says what is written.

Nothing heavy is imported, so the command line can look at names before it draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgan_dist.errors import UserError
from cgan_dist.files.whole import whole_file

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class PictureFormat:
    """How Pillow writes a picture.

    Attributes:
        name: of the format.
        max_side: pixels.
        options: of `Image.save`.
    """

    name: str
    max_side: int
    options: Mapping[str, Any] = field(default_factory=dict)


PNG = PictureFormat(name="PNG", max_side=2**31 - 1)
JPEG = PictureFormat(name="JPEG", max_side=65_500, options={"quality": 95, "subsampling": 0})
WEBP = PictureFormat(name="WEBP", max_side=16_383, options={"lossless": True})
PICTURES: Mapping[str, PictureFormat] = {".png": PNG, ".jpg": JPEG, ".jpeg": JPEG, ".webp": WEBP}
"""By the end of a name. PNG and WebP keep every pixel; JPEG keeps colour at the full size, for the names of columns."""
FILMS = (".gif", ".mp4")
"""What a film's name ends in; `film` writes them."""


def write_picture(picture: Image.Image, path: Path) -> None:
    """Writes a picture, whole or not at all, as what its name says.

    Args:
        picture: RGB.
        path: ends in one of PICTURES, in small letters or capitals.

    Raises:
        UserError: if the name ends otherwise, the format holds no picture so large, or the disk refuses.
    """
    check_suffix(path, PICTURES)
    form = PICTURES[path.suffix.lower()]
    if max(picture.size) > form.max_side:
        raise UserError(
            f"{path}: the picture has {picture.width:,} x {picture.height:,} pixels, and {form.name} holds at most "
            f"{form.max_side:,} a side; give a name that ends in .png, or draw less."
        )
    with whole_file(path) as partial:
        picture.save(partial, form.name, **form.options)


def check_suffix(path: Path, suffixes: Iterable[str]) -> None:
    """Checks what a name ends in, in small letters or capitals.

    Raises:
        UserError: if it is none of `suffixes`.
    """
    if path.suffix.lower() in suffixes:
        return
    *first, last = suffixes
    found = f"'{path.suffix}'" if path.suffix else "no suffix"
    expected = f"{', '.join(first)} or {last}" if first else last
    raise UserError(f"{path}: found {found}; expected a name that ends in {expected}.")
