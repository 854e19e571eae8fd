"""Sub-folders that are the splits of a set, told from those that are its classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cgan_dist.data.sources.files import shortened
from cgan_dist.errors import UserError, close_match

NAMES = {"train": ("train", "training"), "valid": ("valid", "val", "validation", "dev"), "test": ("test", "testing")}
KIND_OF = {name: kind for kind, names in NAMES.items() for name in names}
ALL = "all"


def kind_of(name: str) -> str:
    """`train`, `valid` or `test` for their usual names, in capitals or not; else the name in small letters."""
    return KIND_OF.get(name.lower(), name.lower())


def find_splits(folder: Path, names: Sequence[str], are_splits: bool | None) -> dict[str, str]:
    """Returns the sub-folder of each split by its kind, or nothing where the sub-folders are no splits.

    Args:
        folder: for errors.
        names: of its sub-folders.
        are_splits: what the user says; null has them be splits where all have the name of one. A single one among
            others is none: there are classes called train.

    Raises:
        UserError: if some look like splits and some do not, or two are the same split.
    """
    named = [name for name in names if kind_of(name) in NAMES]
    others = [name for name in names if name not in named]
    if are_splits is None:
        if len(named) > 1 and others:
            raise UserError(
                f"{folder}: {shortened(named)} look like splits, {shortened(others)} beside them like classes. Give "
                "--option splits=true if each sub-folder is a split, of which --split chooses, or splits=false if each "
                "is a class; else move one or the other away."
            )
        are_splits = bool(named) and not others
    if not are_splits:
        return {}
    found: dict[str, str] = {}
    for name in names:
        if (kind := kind_of(name)) in found:
            raise UserError(
                f"{folder}: {found[kind]} and {name} are both the split '{kind}'; join them or remove one. If they are "
                "classes give --option splits=false."
            )
        found[kind] = name
    return found


def choose_splits(folder: Path, found: dict[str, str], split: str) -> list[str]:
    """Returns the sub-folders that `split` asks for; `""`, the folder itself, where there are no splits.

    Raises:
        UserError: if there is no such split.
    """
    if not found:
        if split not in ("train", ALL):
            raise UserError(
                f"split '{split}': {folder} has no sub-folders train, valid and test to choose from; expected train or "
                "all."
            )
        return [""]
    if split == ALL:
        return list(found.values())
    if kind_of(split) not in found:
        names = list(found.values())
        raise UserError(
            f"split '{split}': {folder} has {', '.join(names)}; expected one of them or all.{close_match(split, names)}"
        )
    return [found[kind_of(split)]]
