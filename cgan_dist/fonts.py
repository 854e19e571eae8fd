"""A font that has the letters of some names, in whatever script: Pillow's own, or one of this machine."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

CHOSEN = "CGAN_DIST_FONT"
"""Variable of the environment: a font file to take before those that are found."""
FOLDERS = {
    "linux": ["/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"],
    "darwin": ["/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"],
    "win32": ["C:/Windows/Fonts", "~/AppData/Local/Microsoft/Windows/Fonts"],
}
SUFFIXES = (".otf", ".ttc", ".ttf")
PLAIN = ("dejavusans.", "notosans-regular.", "notosanscjk-regular.", "arial unicode", "pingfang", "msyh.")
"""Begin the names of upright fonts with many letters, which are looked at first."""
ABSENT = "\uffff"
"""Is no letter, so a font draws what it draws for those that it lacks."""
TRIED_SIZE = 12

logger = logging.getLogger(__name__)


def font_for(texts: Iterable[str], size: int) -> Font:
    """Returns a font of so many pixels: Pillow's own where it has all letters, or that which lacks the fewest.

    A warning, once for the same letters, says which are lacking everywhere.
    """
    own = ImageFont.load_default(size)
    letters = frozenset(letter for letter in "".join(texts) if not letter.isascii() and not letter.isspace())
    path = _best_font(letters) if letters and isinstance(own, ImageFont.FreeTypeFont) else None
    return own if path is None else ImageFont.truetype(path, size)


@functools.lru_cache(maxsize=64)
def _best_font(letters: frozenset[str]) -> Path | None:
    """The file of the font that lacks the fewest, or nothing where that is Pillow's own."""
    own = ImageFont.load_default(TRIED_SIZE)
    assert isinstance(own, ImageFont.FreeTypeFont)
    best, lacking = None, _lacking(own, letters)
    for path in _font_files() if lacking else ():
        try:
            without = _lacking(ImageFont.truetype(path, TRIED_SIZE), letters)
        except (OSError, ValueError) as error:  # damaged, or no font
            if str(path) == os.environ.get(CHOSEN):
                logger.warning("%s: %s is no font that can be read: %s.", CHOSEN, path, error)
            continue
        if len(without) < len(lacking):
            best, lacking = path, without
        if not lacking:
            break
    if lacking:
        logger.warning(
            "No font on this machine has %s, so boxes are drawn in pictures. Install one, e.g. fonts-noto-cjk, or name "
            "its file in %s.",
            "".join(sorted(lacking)[:20]),
            CHOSEN,
        )
    return best


def _lacking(font: ImageFont.FreeTypeFont, letters: frozenset[str]) -> set[str]:
    absent = _drawn(font, ABSENT)
    return {letter for letter in letters if _drawn(font, letter) == absent}


def _drawn(font: ImageFont.FreeTypeFont, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


def _font_files() -> Iterator[Path]:
    if chosen := os.environ.get(CHOSEN):
        yield Path(chosen)
    found = [
        Path(root, name)
        for folder in FOLDERS.get(sys.platform, [])
        for root, _, names in os.walk(Path(folder).expanduser())
        for name in names
        if name.lower().endswith(SUFFIXES)
    ]
    yield from sorted(found, key=lambda path: (not path.name.lower().startswith(PLAIN), str(path)))
