"""The samples of many tars as one labelled set: the labels decided, what cannot be used refused or left out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cgan_dist.bounds import regular
from cgan_dist.data.source import Source
from cgan_dist.data.sources.class_names import INTEGER, in_natural_order
from cgan_dist.data.sources.class_numbers import named_numbers
from cgan_dist.data.sources.files import first_repeated, read_lines, shortened
from cgan_dist.data.sources.picture import decode_picture
from cgan_dist.data.tars.label_rule import FOLDER, NONE, SHARD, LabelRule
from cgan_dist.data.tars.places import find_tars
from cgan_dist.data.tars.pool import for_each_tar
from cgan_dist.data.tars.scan import PICTURES, Glance, Scan, Scanner, glance, split_keys
from cgan_dist.data.tars.walk import name_at
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels, Labels, LabelSchema, NoLabels

AUTO = "auto"
GUESSED = ("cls", "txt")
CAPTIONS_FROM = 20
"""Fewer samples than this say nothing about whether their texts are captions."""
SHOWN = 5
LONGEST_NUMBER = 18
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How tars are read; see `cgan_dist.data.sources.webdataset.load`."""

    label: str = AUTO
    class_names: list[str] | str | None = None
    first_label: int = 0
    picture: str | None = None
    incomplete: Literal["stop", "skip"] = "stop"
    splits: bool | None = None
    cache_dir: str | None = None


@dataclass(frozen=True)
class TarPictures:
    """The `read` of a set in tars.

    Attributes:
        place: what a user calls them.
        tars: the files.
        numbers: (N,), the tar of each picture, ascending.
        offsets: (N,) in it.
        sizes: (N,), bytes.
    """

    place: str
    tars: tuple[Path, ...]
    numbers: NDArray[np.int32]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __call__(self, index: int) -> NDArray[np.uint8]:
        """Returns (H, W, C) uint8.

        Raises:
            UserError: naming tar, key and cause.
        """
        tar, offset = self.tars[self.numbers[index]], int(self.offsets[index])
        try:
            with regular(tar).open("rb") as file:
                file.seek(offset)
                content = file.read(int(self.sizes[index]))
        except OSError as error:
            raise UserError(f"{tar}: cannot read: {error.strerror or error}.") from error
        try:
            return decode_picture(content, str(tar))
        except UserError:  # only now is the name looked for: a tar is walked for it
            return decode_picture(content, name_at(tar, offset))


def collect(place: Path | str, split: str, options: Options) -> Source:
    """Finds and scans tars; the source that is returned has a `TarPictures` to read with.

    Raises:
        UserError: if there is none, one is damaged, samples lack something, or it is open what their labels are.
    """
    if options.incomplete not in ("stop", "skip"):
        raise UserError(f"incomplete: '{options.incomplete}'; expected stop or skip.")
    tars = find_tars(place, split, options.splits, options.cache_dir)
    rule = LabelRule(_guess(tars) if options.label == AUTO else options.label)
    size = sum(tar.stat().st_size for tar in tars)
    scans = list(for_each_tar(Scanner(rule, options.picture), tars, size, "scan"))
    description = f"tars of {place} ({split})"
    _refuse_or_tell(tars, scans, description, options)
    counts = [len(scan.offsets) for scan in scans]
    if not sum(counts):
        raise UserError(f"{description}: no sample with a picture ({options.picture or ', '.join(PICTURES)}).")
    if options.label == AUTO and rule.name == "txt":
        _refuse_captions(tars[0], scans, description)
    labels, schema = _labels(scans, rule, options, place, description)
    read = TarPictures(
        str(place),
        tars,
        np.repeat(np.arange(len(tars), dtype=np.int32), counts),
        np.concatenate([scan.offsets for scan in scans]),
        np.concatenate([scan.sizes for scan in scans]),
    )
    return Source(labels=labels, schema=schema, read=read, description=description)


def _guess(tars: Sequence[Path]) -> str:
    """The label that the first tar has which has samples."""
    found = next((found for tar in tars if (found := glance(tar)).suffixes), Glance([], []))
    for suffix in GUESSED:
        if suffix in found.suffixes:
            return suffix
    raise UserError(
        f"{tars[0]}: no label: samples have {shortened(found.suffixes) or 'no members'}, none has cls or txt."
        f"{_other_labels(found.keys)}"
    )


def _other_labels(keys: list[str]) -> str:
    """What to type, for errors."""
    of_json = f"label=json.KEY (keys: {shortened(keys)}), " if keys else ""
    return (
        f" Give --option {of_json}label={SHARD} (cats-000012.tar is of class cats), label={FOLDER} (of the tar), or "
        f"label={NONE}."
    )


def _refuse_or_tell(tars: Sequence[Path], scans: Sequence[Scan], description: str, options: Options) -> None:
    damaged = [scan.damage for scan in scans if scan.damage is not None]
    count = sum(scan.unusable_count for scan in scans)
    if not damaged and not count:
        return
    split = split_keys(scans)
    shown = [
        f"\n  {tar}, {key}: {cause}{'; its members do not follow each other' if key in split else ''}"
        for tar, scan in zip(tars, scans, strict=True)
        for key, cause in scan.unusable[:SHOWN]
    ]
    more = f"\n  and {count - SHOWN:,} more" if count > SHOWN and shown else ""
    what = "".join(f"\n  {damage}" for damage in damaged[:SHOWN]) + "".join(shown[:SHOWN]) + more
    said = f"{description}: {len(damaged):,} tars are damaged, {count:,} samples cannot be used:{what}"
    if options.incomplete == "skip":
        logger.warning("%s\nThey are left out, of damaged tars what comes after the damage.", said)
        return
    raise UserError(
        f"{said}\nMend them, or leave out what cannot be used with --option incomplete=skip. If the picture or the "
        "label is another member, name it: --option picture=SUFFIX, label=SUFFIX."
    )


def _refuse_captions(tar: Path, scans: Sequence[Scan], description: str) -> None:
    count = sum(len(scan.offsets) for scan in scans)
    texts = {text for scan in scans for text in scan.texts}
    if count >= CAPTIONS_FROM and 2 * len(texts) > count:
        example = next(iter(scans[0].texts), "")[:60]
        raise UserError(
            f"{description}: .txt holds {len(texts):,} different texts in {count:,} samples, such as '{example}': "
            f"captions, which are no classes.{_other_labels(glance(tar).keys)} If each is a class, give label=txt."
        )


def _labels(
    scans: Sequence[Scan], rule: LabelRule, options: Options, place: Path | str, description: str
) -> tuple[Labels, LabelSchema]:
    if rule.name == NONE:
        return np.zeros((sum(len(scan.offsets) for scan in scans), 0), np.uint8), NoLabels()
    texts = sorted({text for scan in scans for text in scan.texts})
    names = _names(options.class_names, place)
    if _are_numbers(texts, names, rule):
        numbers = np.array([int(text) for text in texts], np.int64)
        of_text, schema = named_numbers(numbers, names, description, options.first_label)
    else:
        names = names or in_natural_order(texts)
        if repeated := first_repeated(names):
            raise UserError(
                f"{description}: class_names: '{repeated}' twice; expected a different name for each label."
            )
        if strangers := sorted(set(texts) - set(names)):
            raise UserError(
                f"{description}: {rule.name} is {shortened([repr(text) for text in strangers])}, not one of the "
                f"{len(names):,} class_names."
            )
        number_of = {name: number for number, name in enumerate(names)}
        of_text, schema = np.array([number_of[text] for text in texts], np.int64), ClassLabels(names=names)
    label_of = dict(zip(texts, of_text.tolist(), strict=True))
    coded = [np.array([label_of[text] for text in scan.texts], np.int64)[scan.codes] for scan in scans]
    return np.concatenate(coded), schema


def _are_numbers(texts: list[str], names: list[str] | None, rule: LabelRule) -> bool:
    """Whether labels are the numbers of classes; those of tars, folders and texts are names, as everywhere."""
    if not all(INTEGER.fullmatch(text) and len(text) <= LONGEST_NUMBER for text in texts):
        return False
    return not set(texts) <= set(names) if names else rule.name not in ("txt", SHARD, FOLDER)


def _names(given: list[str] | str | None, place: Path | str) -> list[str] | None:
    """A list as it is; a name is that of a file with one on each line, here or in the folder of the tars."""
    if not isinstance(given, str):
        return None if given is None else [str(name) for name in given]
    path = Path(given)
    if not path.is_file() and Path(place).is_dir():
        path = Path(place) / given
    names = [name for _, name in read_lines(path)]
    if not names:
        raise UserError(f"{path}: empty; expected the name of a class on each line.")
    return names
