"""What a recipe is: networks, objective and rates that were seen to go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Choice(NamedTuple):
    """One line of a config.

    Attributes:
        key: `section.key`.
        value: plain, as YAML has it.
        reason: why; empty where the line says it.
    """

    key: str
    value: Any
    reason: str = ""


class Recipe(Protocol):
    """Networks, objective and rates for one data set and machine."""

    batch_size: int
    widths: Sequence[int]
    """Of the networks, the first choice first; the next one where that sees too few images in the time."""
    longest_images: int
    """A run needs no more."""
    longest_because: str

    def choices(self, width: int, total_images: int) -> list[Choice]:
        """The lines that it decides, for networks of a width and a run of a length."""
