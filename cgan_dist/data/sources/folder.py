"""`folder`: picture files, in one sub-folder per class, or all together without labels."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from cgan_dist.data.source import Source
from cgan_dist.data.sources.class_names import in_natural_order
from cgan_dist.data.sources.files import existing_folder, shortened
from cgan_dist.data.sources.picture import SUFFIXES, Pictures
from cgan_dist.data.sources.splits import choose_splits, find_splits
from cgan_dist.data.sources.stylegan import DATASET, refuse_dataset_json
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels, NoLabels

OF_OTHERS = {".parquet": "huggingface", ".arrow": "huggingface", ".npz": "npz", ".csv": "csv", ".jsonl": "jsonl"}
"""Which source reads files by these suffixes."""
logger = logging.getLogger(__name__)


def load(
    folder: Path | None,
    split: str,
    *,
    unlabelled: bool = False,
    ignore_others: bool = False,
    splits: bool | None = None,
) -> Source:
    """Lists the pictures below `folder`; they are read one by one.

    Where all sub-folders have the name of a split, such as train, val or Testing, `split` chooses among them, and the
    classes are those of the training split, so that a class has the same number in each.

    Args:
        folder: with `CLASS/**/*.jpg`; class names are in natural order. Hidden files and folders are skipped.
        split: `train` or `all`, which are the same without such sub-folders; else also `valid` and `test`, by any of
            their names.
        unlabelled: take every picture below the folder, and no labels.
        ignore_others: skip files that are no pictures instead of refusing them.
        splits: whether each sub-folder is a split (true) or a class (false), where their names leave it open.

    Raises:
        UserError: if there is no picture, a class without any or that the training split lacks, a picture outside the
            classes, or another file; or if only some sub-folders look like splits, or the labels are in StyleGAN's
            `dataset.json`.
    """
    folder = existing_folder(folder, "folder", "pictures" if unlabelled else "one sub-folder of pictures per class")
    if not unlabelled:
        refuse_dataset_json(folder / DATASET)
    found = find_splits(folder, _sub_folders(folder), splits)
    chosen = choose_splits(folder, found, split)
    files = _Files(folder)
    if found:
        files.add_beside("")
    classes = [] if unlabelled else _classes(folder, found, chosen)
    number_of = {name: number for number, name in enumerate(classes)}
    numbers: list[int] = []
    for root in chosen:
        if unlabelled:
            files.add_below(root)
            continue
        files.add_beside(root)
        for name in _sub_folders(folder / root):
            numbers += [number_of[name]] * files.add_below(os.path.join(root, name))
    if files.others and not ignore_others:
        raise UserError(
            f"{folder}: files that are no pictures ({', '.join(SUFFIXES)}): {shortened(files.others)}. Remove them, or "
            "skip them with --option ignore_others=true."
        )
    if files.empty and not unlabelled:
        raise UserError(f"{folder}: no pictures in the class folder {shortened(files.empty)}; fill or remove it.")
    return Source(
        labels=np.zeros((len(files.pictures), 0), np.uint8) if unlabelled else np.array(numbers, np.int64),
        schema=NoLabels() if unlabelled else ClassLabels(names=classes),
        read=Pictures(folder, tuple(files.pictures)),
        description=f"pictures of {folder} ({split})",
    )


class _Files:
    """What was found: names relative to the folder, in the order of the walk.

    Attributes:
        pictures: by their suffix.
        others: the rest, but for hidden files.
        empty: folders of which nothing was a picture.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures: list[str] = []
        self.others: list[str] = []
        self.empty: list[str] = []

    def add_below(self, name: str) -> int:
        """Walks a sub-folder, and returns how many pictures it holds."""
        before = len(self.pictures)
        seen: set[str] = set()
        for root, folders, files in os.walk(self.folder / name, followlinks=True, onerror=_cannot_list):
            real = os.path.realpath(root)
            if real in seen:
                raise UserError(f"{root}: reached twice, by a symbolic link; remove the link.")
            seen.add(real)
            folders[:] = _visible(folders)
            relative = os.path.relpath(root, self.folder)
            for file in _visible(files):
                kind = self.pictures if file.lower().endswith(SUFFIXES) else self.others
                kind.append(os.path.normpath(os.path.join(relative, file)))
        if len(self.pictures) == before:
            self.empty.append(name)
        return len(self.pictures) - before

    def add_beside(self, name: str) -> None:
        """Looks at the files beside the sub-folders of `name`, where no picture may be."""
        place = self.folder / name
        for file in _visible(os.listdir(place)):
            if (place / file).is_dir():
                continue
            if file.lower().endswith(SUFFIXES):
                folders = shortened(_sub_folders(place)) or "there are none"
                raise UserError(
                    f"{place / file}: in no sub-folder; expected every picture inside one of them ({folders}). For "
                    "pictures without labels give --option unlabelled=true."
                )
            self.others.append(os.path.join(name, file))


def _classes(folder: Path, splits: dict[str, str], chosen: Sequence[str]) -> list[str]:
    """Those of the training split, or of all splits together where there is none."""
    roots = list(splits.values()) or [""]
    by_root = {root: _sub_folders(folder / root) for root in roots}
    known = set(by_root[splits["train"]] if "train" in splits else chain.from_iterable(by_root.values()))
    if not known:
        raise UserError(
            f"{folder}: no class folders; expected CLASS/*.jpg. {_source_of(folder)}For pictures without labels give "
            "--option unlabelled=true."
        )
    for root, names in by_root.items():
        if strangers := [name for name in names if name not in known]:
            where = f"{folder / root}: {splits['train']} has no class {shortened(strangers)}"
            if root in chosen:
                raise UserError(
                    f"{where}; the classes are those of {splits['train']}. Move it there or away, sort its pictures "
                    "into class folders, or list them with their labels in a table for csv."
                )
            logger.warning("%s, and none is made of it; it is in no split that was asked for.", where)
    return in_natural_order(known)


def _source_of(folder: Path) -> str:
    """A word on the source that reads what lies there, where its names tell."""
    for name in _visible(os.listdir(folder)):
        if source := OF_OTHERS.get(os.path.splitext(name)[1].lower()):
            return f"Of {name} and its like type cgan-dist prepare {source}. "
    return ""


def _sub_folders(folder: Path) -> list[str]:
    return [name for name in _visible(os.listdir(folder)) if (folder / name).is_dir()]


def _visible(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _cannot_list(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot list: {error.strerror}.") from error
