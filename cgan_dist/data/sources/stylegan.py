"""`stylegan`: a folder or zip of pictures with `dataset.json`, as the tools of StyleGAN2-ADA and StyleGAN3 write it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np

from cgan_dist.data.source import Source
from cgan_dist.data.sources.class_numbers import named_numbers
from cgan_dist.data.sources.files import check_split, read_lines, shortened
from cgan_dist.data.sources.json_file import parse_json, read_json
from cgan_dist.data.sources.label_columns import bits, reals
from cgan_dist.data.sources.picture_archive import Archive, open_archive
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import Labels, LabelSchema, NoLabels

DATASET = "dataset.json"
KEY = "labels"
EXPECTED = f'{{"{KEY}": [["00000/img00000000.png", 3], ...]}}'
Kind = Literal["auto", "classes", "attributes", "continuous"]


def load(
    folder: Path | None,
    split: str,
    *,
    class_names: list[str] | str | None = None,
    kind: Kind = "auto",
    first_label: int = 0,
    unlabelled: bool = False,
) -> Source:
    """Reads the labels; pictures are read one by one, from a zip without unpacking it.

    A number is that of a class. A vector of 0 and 1 with a single 1 in each is one too (one-hot), other vectors of 0
    and 1 are attributes, and all others real values, which range from the least to the greatest.

    Args:
        folder: the folder, or the zip.
        split: `train` or `all`, which are the same.
        class_names: of classes, attributes or values, which else are numbered: a list, or a text file with one a line.
        kind: what vectors are, where `auto` would take them for something else.
        first_label: the number of the first class.
        unlabelled: take every picture, and no labels.

    Raises:
        UserError: if there is no `dataset.json`, it is malformed, or its names are not those of the pictures.
    """
    check_split(split, ("train", "all"))
    archive = open_archive(_existing(folder), DATASET)
    names = None if class_names is None else _names(class_names)
    description = f"StyleGAN's {archive.path} ({split})"
    entries = None if unlabelled else _entries(archive)
    if entries is None:
        labels: Labels = np.zeros((len(archive.pictures), 0), np.uint8)
        return Source(labels=labels, schema=NoLabels(), read=archive.reader(archive.pictures), description=description)
    pictures = _matched(entries, archive)
    where = archive.where(DATASET)
    labels, schema = _labels([entries[name] for name in pictures], names, kind, first_label, where)
    return Source(labels=labels, schema=schema, read=archive.reader(pictures), description=description)


def refuse_dataset_json(path: Path) -> None:
    """Raises UserError if a file of that name is StyleGAN's, which this source reads and others take for their own."""
    if path.name != DATASET or not path.is_file():
        return
    found = read_json(path)
    if isinstance(found, dict) and KEY in found:
        raise UserError(
            f"{path}: StyleGAN's list of labels, whose folders only number the pictures. Type cgan-dist prepare "
            f"stylegan --source {path.parent} --out ...; or move {DATASET} away, if the folders are the classes."
        )


def _existing(folder: Path | None) -> Path:
    contents = f"pictures and {DATASET}"
    if folder is None:
        raise UserError(f"stylegan needs --source, a folder or a zip with {contents}.")
    if not folder.exists():
        near = close_match(folder.name, os.listdir(folder.parent) if folder.parent.is_dir() else [])
        raise UserError(
            f"--source {folder}: no such folder or file.{near} stylegan expects a folder or zip: {contents}."
        )
    return folder


def _names(class_names: list[str] | str) -> list[str]:
    if isinstance(class_names, list):
        return class_names
    return [name for _, name in read_lines(Path(class_names))]


def _entries(archive: Archive) -> dict[str, object] | None:
    """The label of each name; None where there are to be none."""
    where = archive.where(DATASET)
    content = archive.content(DATASET)
    if content is None:
        raise UserError(
            f"{archive.path}: no {DATASET}.{close_match(DATASET, archive.others)} Expected it beside the pictures, as "
            f"{EXPECTED}; pictures without labels are taken with --option unlabelled=true."
        )
    found = parse_json(content, where)
    labels = found.get(KEY, found) if isinstance(found, dict) else found
    if labels is None:
        return None
    pairs = list(labels.items()) if isinstance(labels, dict) and KEY not in labels else labels
    if not isinstance(pairs, list):
        raise UserError(f"{where}: {KEY} is a {type(pairs).__name__}; expected {EXPECTED}, or null for no labels.")
    entries: dict[str, object] = {}
    for place, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise UserError(f"{where}: entry {place} of {KEY} is {_short(pair)}; expected [name, label].")
        name = pair[0].replace("\\", "/")
        if name in entries:
            raise UserError(f"{where}: '{name}' is there twice; expected one label for each picture.")
        entries[name] = pair[1]
    return entries


def _matched(entries: dict[str, object], archive: Archive) -> list[str]:
    """The pictures, where all have a label and the other way round."""
    bare, missing = sorted(set(archive.pictures) - set(entries)), sorted(set(entries) - set(archive.pictures))
    if bare:
        raise UserError(
            f"{archive.where(DATASET)}: no label for {shortened(bare)}.{close_match(bare[0], missing)} Names are those "
            "below the folder or in the zip, with slashes. Add them or take the pictures away."
        )
    if missing:
        raise UserError(
            f"{archive.path}: {shortened(missing)} of {DATASET} are not there, or are no pictures; {len(missing):,} of "
            f"{len(entries):,}. Fetch the set again."
        )
    return archive.pictures


def _labels(
    values: list[object], names: list[str] | None, kind: Kind, first_label: int, where: str
) -> tuple[Labels, LabelSchema]:
    if all(value is None for value in values):
        return np.zeros((len(values), 0), np.uint8), NoLabels()
    vectors = isinstance(values[0], list)
    for place, value in enumerate(values):
        numbers = value if isinstance(value, list) else [value]
        if isinstance(value, list) != vectors or not all(
            isinstance(number, int | float) and not isinstance(number, bool) for number in numbers
        ):
            raise UserError(
                f"{where}: picture {place} has the label {_short(value)}, the first {_short(values[0])}; expected "
                "numbers for all, or vectors of numbers of one length."
            )
    if not vectors:
        if kind not in ("auto", "classes"):
            raise UserError(f"kind: {kind} are vectors, and {where} has numbers, which are classes.")
        return named_numbers(_whole(values, where), names, where, first_label)
    return _of_vectors(values, names, kind, where)


def _of_vectors(values: list[object], names: list[str] | None, kind: Kind, where: str) -> tuple[Labels, LabelSchema]:
    lengths = [len(value) for value in values if isinstance(value, list)]
    if len(set(lengths)) > 1 or not lengths[0]:
        raise UserError(
            f"{where}: vectors of {shortened(sorted({str(n) for n in lengths}))} numbers; expected one length."
        )
    vectors = np.array(values, np.float64)
    if names is not None and (len(names) != lengths[0] or len(set(names)) != len(names)):
        raise UserError(
            f"class_names: {len(names)}, expected a different name for each of {lengths[0]} numbers a vector."
        )
    binary = bool(np.isin(vectors, (0, 1)).all())
    one_hot = binary and lengths[0] > 1 and bool((vectors.sum(1) == 1).all())
    if kind == "auto":
        kind = "classes" if one_hot else "attributes" if binary else "continuous"
    if kind == "continuous":
        return reals(vectors, names, where)
    if kind == "attributes":
        return bits(vectors, names, where)
    if not one_hot:
        raise UserError(f"kind: classes are vectors with a single 1 and else 0, and {where} has others.")
    return named_numbers(vectors.argmax(1), names or [str(number) for number in range(lengths[0])], where)


def _whole(values: list[object], where: str) -> np.ndarray:
    numbers = np.array(values, np.float64)
    for place in np.flatnonzero(numbers != np.floor(numbers))[:1]:
        raise UserError(
            f"{where}: picture {place} has the label {values[place]}; expected the whole number of a class, or "
            f"vectors, such as [{values[place]}], for real values."
        )
    return numbers.astype(np.int64)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
