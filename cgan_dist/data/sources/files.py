"""The user's files: the folder that a source was given, and the lines of the lists in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cgan_dist.bounds import lines, regular
from cgan_dist.errors import UserError, close_match

ENCODING = "utf-8-sig"
"""UTF-8; the mark that spreadsheets write at the beginning is skipped."""


def existing_folder(folder: Path | None, source: str, contents: str) -> Path:
    """Returns the folder of a source that cannot do without one.

    Args:
        folder: what `--source` says, None without it.
        source: its short name, for the error.
        contents: what the folder should hold, for the error.

    Raises:
        UserError: if there is no such folder.
    """
    if folder is None:
        raise UserError(f"{source} needs --source FOLDER, a folder with {contents}.")
    if folder.is_dir():
        return folder
    if folder.exists():
        zipped = " Unpack it; one with dataset.json in it is read as it is: cgan-dist prepare stylegan."
        more = zipped if folder.suffix.lower() == ".zip" else ""
        raise UserError(f"--source {folder}: a file; {source} expects a folder with {contents}.{more}")
    raise UserError(f"--source {folder}: no such folder.{_near(folder)} {source} expects a folder with {contents}.")


def existing_file(folder: Path, name: str, option: str) -> Path:
    """Returns the path of a file that an option names.

    Raises:
        UserError: if it is missing.
    """
    path = folder / name
    if not path.is_file():
        if path.exists() and not path.is_dir():
            regular(path)  # which says what it is
        raise UserError(f"{path}: no such file.{_near(path)} Name another with --option {option}=NAME.")
    return path


def check_split(split: str, allowed: Sequence[str]) -> None:
    """Raises UserError if `split` is none of those that the source has."""
    if split not in allowed:
        raise UserError(f"split '{split}': expected one of {', '.join(allowed)}.{close_match(split, allowed)}")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (number, text without surrounding blanks) of each line that is not blank, counted from 1.

    Raises:
        UserError: if the file is missing or not UTF-8.
    """
    try:
        with regular(path).open(encoding=ENCODING) as file:
            for number, line in enumerate(lines(file, path), start=1):
                if text := line.strip():
                    yield number, text
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8: {error.reason}.") from error


def first_repeated(names: Sequence[str]) -> str | None:
    """Returns the first name that was there before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def shortened(names: Sequence[str], most: int = 6) -> str:
    """Lists names for an error; of many only the first and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _near(path: Path) -> str:
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    return close_match(path.name, siblings)
