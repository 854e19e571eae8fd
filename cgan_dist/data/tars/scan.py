"""One pass over a tar: where its pictures are and what their labels say, without reading a picture."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgan_dist.bounds import regular
from cgan_dist.data.tars.label_rule import JSON, MAX_LABEL_BYTES, LabelRule, NoLabel, json_keys
from cgan_dist.data.tars.walk import Member, members, readable
from cgan_dist.errors import UserError

PICTURES = ("jpg", "jpeg", "png", "webp")
MAX_PICTURE_BYTES = 1 << 28
GLANCE = 100
"""Samples whose members say which labels there are."""
TOLD = 1000
"""Samples of a tar that are told of where they cannot be used; the rest is counted."""


@dataclass
class Scan:
    """What was found in one tar.

    Attributes:
        offsets: (N,) of the pictures.
        sizes: (N,) of the pictures, bytes.
        codes: (N,) of the labels: places in `texts`.
        texts: the different labels.
        unusable: keys of samples that cannot be used, and the causes.
        unusable_count: how many those are.
        damage: what ended the pass early; null if nothing did.
    """

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    codes: NDArray[np.int32]
    texts: list[str]
    unusable: list[tuple[str, str]] = field(default_factory=list)
    unusable_count: int = 0
    damage: str | None = None


@dataclass(frozen=True)
class Scanner:
    """Scans a tar; picklable.

    Attributes:
        rule: what of a sample is its label.
        picture: suffix of the picture; null takes the one that each sample has.
    """

    rule: LabelRule
    picture: str | None

    def __call__(self, path: Path) -> Scan:
        """Scans one tar; a damaged one up to the damage."""
        codes: dict[str, int] = {}
        rows: list[tuple[int, int, int]] = []
        found = Scan(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32), [])
        try:
            with regular(path).open("rb") as file:
                for sample in samples(path):
                    try:
                        picture = self._picture(sample)
                        label = self._label(sample, file, path)
                    except _Unusable as cause:
                        found.unusable_count += 1
                        if len(found.unusable) < TOLD:
                            found.unusable.append((readable(sample[0].key), str(cause)))
                        continue
                    rows.append((picture.offset, picture.size, codes.setdefault(label, len(codes))))
        except UserError as error:
            found.damage = str(error)
        table = np.array(rows, np.int64).reshape(-1, 3)
        found.offsets, found.sizes, found.codes = table[:, 0].copy(), table[:, 1].copy(), table[:, 2].astype(np.int32)
        found.texts = list(codes)
        return found

    def _picture(self, sample: Sequence[Member]) -> Member:
        wanted = PICTURES if self.picture is None else (self.picture.lower(),)
        pictures = [member for member in sample if member.suffix in wanted]
        if not pictures:
            raise _Unusable(f"no picture ({', '.join(wanted)})")
        if len(pictures) > 1:
            raise _Unusable(f"{len(pictures)} pictures: {', '.join(member.suffix for member in pictures)}")
        if pictures[0].size > MAX_PICTURE_BYTES:
            raise _Unusable(f"a picture of {pictures[0].size:,} bytes, expected at most {MAX_PICTURE_BYTES:,}")
        return pictures[0]

    def _label(self, sample: Sequence[Member], file: IO[bytes], path: Path) -> str:
        if self.rule.member is None:
            return self.rule.of_tar(path)
        labels = [member for member in sample if member.suffix == self.rule.member]
        if len(labels) != 1:
            raise _Unusable(f"{len(labels) or 'no'} label{'s' if labels else ''} (.{readable(self.rule.member)})")
        if labels[0].size > MAX_LABEL_BYTES:
            raise _Unusable(f"a label of {labels[0].size:,} bytes, expected at most {MAX_LABEL_BYTES:,}")
        file.seek(labels[0].offset)
        try:
            return self.rule.of_member(file.read(labels[0].size))
        except NoLabel as error:
            raise _Unusable(str(error)) from None


class _Unusable(Exception):
    """A sample without what makes an image of a set; the text says why."""


def samples(path: Path) -> Iterator[list[Member]]:
    """Groups the members of a tar as WebDataset does: those of one key that follow each other are a sample."""
    for _, group in groupby(members(path), attrgetter("key")):
        yield list(group)


class Glance(NamedTuple):
    """What the first samples of a tar hold.

    Attributes:
        suffixes: of all members.
        keys: of the first JSON member that could be classes.
    """

    suffixes: list[str]
    keys: list[str]


def glance(path: Path) -> Glance:
    """Looks at the first samples of a tar; of a damaged one at those that can be found."""
    suffixes: dict[str, None] = {}
    keys: list[str] = []
    regular(path)
    with contextlib.suppress(UserError):  # a scan tells of damage, in all tars
        for sample in islice(samples(path), GLANCE):
            suffixes |= dict.fromkeys(member.suffix for member in sample)
            for member in sample:
                if member.suffix == JSON and not keys and member.size <= MAX_LABEL_BYTES:
                    with path.open("rb") as file:
                        file.seek(member.offset)
                        keys = json_keys(file.read(member.size))
    return Glance([readable(suffix) for suffix in suffixes], [readable(key) for key in keys])


def split_keys(scans: Sequence[Scan]) -> set[str]:
    """Keys that are unusable more than once: one sample, whose members do not follow each other."""
    seen: set[str] = set()
    twice: set[str] = set()
    for key in (key for scan in scans for key, _ in scan.unusable):
        (twice if key in seen else seen).add(key)
    return twice
