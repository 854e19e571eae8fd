"""What `--size` and `--part` take: two whole numbers in a form of their own."""

from __future__ import annotations

import re
from collections.abc import Callable

import click

Two = tuple[int, int]


class Pair(click.ParamType[Two]):
    """Two numbers.

    Args:
        name: of the kind of option.
        metavar: as the help shows it.
        read: text to numbers, or None if it has another form.
        expected: that form, for the error.
    """

    def __init__(self, name: str, metavar: str, read: Callable[[str], Two | None], expected: str) -> None:
        self.name, self.metavar, self.read, self.expected = name, metavar, read, expected

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As the help shows it."""
        return self.metavar

    def convert(self, value: str | Two, param: click.Parameter | None, ctx: click.Context | None) -> Two:
        """Reads it."""
        found = value if isinstance(value, tuple) else self.read(value.strip())
        if found is None:
            self.fail(f"found '{value}'; expected {self.expected}.", param, ctx)
        return found


def _size(text: str) -> Two | None:
    found = re.fullmatch(r"([1-9]\d{0,4})(?:[xX×]([1-9]\d{0,4}))?", text)
    return (int(found[1]), int(found[2] or found[1])) if found else None


def _part(text: str) -> Two | None:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    return (int(found[1]), int(found[2])) if found and 1 <= int(found[1]) <= int(found[2]) else None


SIZE = Pair("size", "SIDE|WIDTHxHEIGHT", _size, "pixels, of a side as in 64, or WIDTHxHEIGHT as in 96x64")
PART = Pair("part", "I/N", _part, "I/N with I from 1 to N, as in 3/16")
