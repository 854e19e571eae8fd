"""`folder`: picture files, in one sub-folder per class, or all together without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import existing_folder, shortened
from cgan_dist.data.sources.picture import Pictures
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import ClassLabels, NoLabels

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SPLIT_FOLDERS = {"train": ("train",), "valid": ("valid", "val"), "val": ("val", "valid"), "test": ("test",)}


def load(folder: Path | None, split: str, *, unlabelled: bool = False, ignore_others: bool = False) -> Source:
    """Lists the pictures below `folder`; they are read one by one.

    Where all sub-folders are named train, valid, val or test, `split` chooses among them, and the classes are those of
    all splits together, so that a class has the same number in each.

    Args:
        folder: with `CLASS/**/*.jpg`; class names are sorted. Hidden files and folders are skipped.
        split: `train` or `all`, which are the same without such sub-folders; else also `valid` (or `val`) and `test`.
        unlabelled: take every picture below the folder, and no labels.
        ignore_others: skip files that are no pictures instead of refusing them.

    Raises:
        UserError: if there is no picture, a class without any, a picture outside the classes, or another file.
    """
    folder = existing_folder(folder, "folder", "pictures" if unlabelled else "one sub-folder of pictures per class")
    roots, chosen = _roots(folder, split)
    files = _Files(folder)
    if roots != [""]:
        files.add_beside("")
    classes = [] if unlabelled else _classes(folder, roots)
    numbers: list[int] = []
    for root in chosen:
        if unlabelled:
            files.add_below(root)
            continue
        files.add_beside(root)
        for name in _sub_folders(folder / root):
            numbers += [classes.index(name)] * files.add_below(os.path.join(root, name))
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


def _roots(folder: Path, split: str) -> tuple[list[str], list[str]]:
    """Returns the folders of all splits and those of the chosen one; `""` where there are no splits."""
    found = _sub_folders(folder)
    if not found or not set(found) <= SPLIT_FOLDERS.keys():
        if split not in ("train", "all"):
            raise UserError(
                f"split '{split}': {folder} has no sub-folders train, valid and test to choose from; expected train or "
                "all."
            )
        return [""], [""]
    wanted = found if split == "all" else [name for name in SPLIT_FOLDERS.get(split, ()) if name in found][:1]
    if not wanted:
        raise UserError(
            f"split '{split}': {folder} has {', '.join(found)}; expected one of them or all.{close_match(split, found)}"
        )
    return found, wanted


def _classes(folder: Path, roots: Sequence[str]) -> list[str]:
    classes = sorted({name for root in roots for name in _sub_folders(folder / root)})
    if not classes:
        raise UserError(
            f"{folder}: no class folders; expected CLASS/*.jpg. For pictures without labels give --option "
            "unlabelled=true."
        )
    return classes


def _sub_folders(folder: Path) -> list[str]:
    return [name for name in _visible(os.listdir(folder)) if (folder / name).is_dir()]


def _visible(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _cannot_list(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot list: {error.strerror}.") from error
