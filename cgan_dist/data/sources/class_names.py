"""The order of class names that decides their numbers: as a person counts, img2 before img10."""

from __future__ import annotations

import re
from collections.abc import Iterable

INTEGER = re.compile(r"-?[0-9]+")
DIGITS = re.compile(r"([0-9]+)")


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Sorts different names: as integers where all are some, else digits within a name by what they count."""
    different = set(names)
    if all(INTEGER.fullmatch(name) for name in different):
        return sorted(different, key=lambda name: (_integer(name), name))
    return sorted(different, key=lambda name: (_pieces(name), name))


def _integer(name: str) -> tuple[int, int, str]:
    """Sign, length and digits: a name of thousands of digits is no number to Python."""
    digits = name.lstrip("-").lstrip("0")
    if name.startswith("-") and digits:
        return -1, -len(digits), "".join(str(9 - int(digit)) for digit in digits)
    return 0, len(digits), digits


def _pieces(name: str) -> list[str | tuple[int, str]]:
    """Text and digits in turn, so that text meets text: img10a -> img, (2, 10), a."""
    pieces = DIGITS.split(name)
    return [(len(piece.lstrip("0")), piece.lstrip("0")) if place % 2 else piece for place, piece in enumerate(pieces)]
