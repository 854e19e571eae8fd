"""What a prepared set says of itself: its manifest, read with an eye to training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cgan_dist.data.manifest import Manifest
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, parts_of_schema

Part = ClassLabels | AttributeLabels | ContinuousLabels
RARE_SHARE = 0.01
LONGEST_NAME = 40


@dataclass(frozen=True)
class Facts:
    """Of one set.

    Attributes:
        path: as `data.path` names it.
        manifest: of the set.
    """

    path: str
    manifest: Manifest

    @property
    def count(self) -> int:
        """Images."""
        return self.manifest.count

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.manifest.image.height, self.manifest.image.width

    @property
    def side(self) -> float:
        """That of a square with as many pixels."""
        return float((self.size[0] * self.size[1]) ** 0.5)

    @property
    def is_grey(self) -> bool:
        """Whether images have one channel."""
        return self.manifest.image.channels == 1

    @property
    def parts(self) -> list[Part]:
        """The labels of each kind."""
        return [part for part in parts_of_schema(self.manifest.labels) if not isinstance(part, NoLabels)]

    @property
    def usable(self) -> list[Part]:
        """Those that say something: a single class does not."""
        return [part for part in self.parts if not (isinstance(part, ClassLabels) and len(part.names) < 2)]

    @property
    def imbalance(self) -> float:
        """How many times as many images the largest class has as the smallest that has any; 1 without classes."""
        filled = [list(filter(None, self._counts(part))) for part in self.usable if isinstance(part, ClassLabels)]
        return max((max(counts) / min(counts) for counts in filled if counts), default=1.0)

    def label_space(self) -> str | dict[str, Any]:
        """What `conditioning.labels` takes for all usable labels."""
        if not self.usable:
            return "none"
        if len(self.usable) == len(self.parts):
            return self.manifest.labels.kind
        spaces = [self._space(part) for part in self.usable]
        return spaces[0] if len(spaces) == 1 else {"name": "product", "args": {"parts": spaces}}

    def describe_images(self) -> str:
        """Such as `1,333 images of 32x32, colour`."""
        height, width = self.size
        return f"{self.count:,} images of {height}x{width}, {'grey' if self.is_grey else 'colour'}"

    def describe_labels(self) -> str:
        """How many there are of each kind, and how they are spread."""
        told = [self._describe(part) for part in self.parts]
        return "; ".join(told) or "no labels"

    def _counts(self, part: ClassLabels | AttributeLabels) -> list[int]:
        return [self.manifest.histogram.get(name, 0) for name in part.names]

    def _space(self, part: Part) -> dict[str, Any]:
        if isinstance(part, ClassLabels):
            groups = [other for other in self.parts if isinstance(other, ClassLabels)]
            return {"name": "classes", "args": {"group": groups.index(part)}}
        return {"name": part.kind, "args": {"names": part.names}}

    def _describe(self, part: Part) -> str:
        if isinstance(part, ContinuousLabels):
            ranges = [
                f"{shown(name)} {low:g} to {high:g}" for name, (low, high) in zip(part.names, part.ranges, strict=True)
            ]
            return f"{plural(len(ranges), 'real value')}: {_first(ranges)}"
        counts = self._counts(part)
        if isinstance(part, AttributeLabels):
            rare = [
                shown(name)
                for name, count in zip(part.names, counts, strict=True)
                if not RARE_SHARE <= count / self.count <= 1 - RARE_SHARE
            ]
            all_or_none = f"; all or hardly any images have {_first(rare)}" if rare else ""
            return f"{plural(len(counts), 'attribute')}: {_first([shown(name) for name in part.names])}{all_or_none}"
        if len(counts) == 1:
            return f"a single class, {shown(part.names[0])}, which says nothing"
        ends = [(counts.index(count), count) for count in (min(counts), max(counts))]
        if ends[0][1] == ends[1][1]:
            return (
                f"{len(counts):,} classes of {counts[0]:,} images each: {_first([shown(name) for name in part.names])}"
            )
        least, most = (f"{count:,} ({shown(part.names[number])})" for number, count in ends)
        return f"{len(counts):,} classes of {least} to {most} images"


def shown(name: str) -> str:
    """A name of other people, quoted and on one line whatever is in it; a long one is cut."""
    cut = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 3] + "..."
    return "'" + printable(cut) + "'"


def printable(text: str) -> str:
    """The text with every character that may not stand in a comment escaped, line breaks above all."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plural(count: int, what: str) -> str:
    """`1 attribute`, `2 attributes`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _first(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
