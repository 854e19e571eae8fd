"""The user's files: the folder that a source was given, and the lines of the lists in it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

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
        raise UserError(f"--source {folder}: a file; {source} expects a folder with {contents}.")
    raise UserError(f"--source {folder}: no such folder.{_near(folder)} {source} expects a folder with {contents}.")


def existing_file(folder: Path, name: str, option: str) -> Path:
    """Returns the path of a file that an option names.

    Raises:
        UserError: if it is missing.
    """
    path = folder / name
    if not path.is_file():
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
        with path.open(encoding=ENCODING) as file:
            for number, line in enumerate(file, start=1):
                if text := line.strip():
                    yield number, text
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8: {error.reason}.") from error


def read_csv(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Returns the header, and an iterator of (line number, fields) over the rows, each as long as the header.

    Raises:
        UserError: if the file is missing, no CSV in UTF-8, has no header, or a column or a row that is malformed; also
            later, from the iterator.
    """
    rows = _csv_rows(path)
    _, header = next(rows, (0, []))
    if not header:
        raise UserError(f"{path}: empty; expected a line of column names, then a line per image.")
    header = [name.strip() for name in header]
    if repeated := first_repeated(header):
        raise UserError(f"{path}: the column '{repeated}' is there twice; remove or rename one of the two.")
    return header, _checked(rows, header, path)


def first_repeated(names: Sequence[str]) -> str | None:
    """Returns the first name that was there before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _checked(rows: Iterator[tuple[int, list[str]]], header: list[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, fields in rows:
        if len(fields) != len(header):
            raise UserError(
                f"{path}, line {line}: {len(fields)} fields, expected {len(header)}: {shortened(header)}. A field "
                'with a comma in it needs "quotes".'
            )
        yield line, fields


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding=ENCODING, newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                for fields in reader:
                    if fields:
                        yield reader.line_num, fields
            except csv.Error as error:
                raise UserError(f"{path}, line {reader.line_num}: not CSV: {error}.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8: {error.reason}.") from error


def shortened(names: Sequence[str], most: int = 6) -> str:
    """Lists names for an error; of many only the first and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _near(path: Path) -> str:
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    return close_match(path.name, siblings)
