"""A table in a text file: fields between commas, semicolons, tabs or bars, the first line naming the columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from cgan_dist.bounds import lines, regular
from cgan_dist.data.sources.files import ENCODING, first_repeated, shortened
from cgan_dist.errors import UserError

NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
NAME_OF = {delimiter: name for name, delimiter in NAMED.items()}
QUOTED = re.compile('"(?:[^"]|"")*"')
Fields = tuple[int, list[str]]


def read_csv(path: Path, delimiter: str | None = None) -> tuple[list[str], Iterator[Fields]]:
    """Returns the header, and an iterator of (line number, fields) over the rows, each as long as the header.

    Args:
        path: of the file.
        delimiter: between fields, a character, `comma`, `semicolon`, `tab` or `bar`. Null takes a tab for files named
            `.tsv`, else that of the four which the first line has most of.

    Raises:
        UserError: if the file is missing, no table in UTF-8, has no header, or a column or a row that is malformed;
            also later, from the iterator.
    """
    asked = None if delimiter is None else NAMED.get(delimiter, delimiter)
    if asked is not None and (len(asked) != 1 or asked in '"\r\n'):
        raise UserError(f"delimiter: '{delimiter}'; expected one character, or one of {', '.join(NAMED)}.")
    found = asked or ("\t" if path.suffix.lower() == ".tsv" else _delimiter_of(path))
    rows = _rows(path, found)
    _, header = next(rows, (0, []))
    if not header:
        raise UserError(f"{path}: empty; expected a line of column names, then a line per image.")
    header = [name.strip() for name in header]
    if repeated := first_repeated(header):
        raise UserError(f"{path}: the column '{repeated}' is there twice; remove or rename one of the two.")
    return header, _checked(rows, header, path, found)


def _delimiter_of(path: Path) -> str:
    try:
        with regular(path).open(encoding=ENCODING) as file:
            first = next((line for line in lines(file, path) if line.strip()), "")
    except (OSError, UnicodeDecodeError):  # the reader says what is wrong
        return ","
    names = QUOTED.sub("", first)
    return max(NAME_OF, key=names.count)


def _checked(rows: Iterator[Fields], header: list[str], path: Path, delimiter: str) -> Iterator[Fields]:
    for line, fields in rows:
        if len(fields) != len(header):
            raise UserError(
                f"{path}, line {line}: {len(fields)} fields, expected {len(header)}: {shortened(header)}. "
                f"{_advice(delimiter)}"
            )
        yield line, fields


def _rows(path: Path, delimiter: str) -> Iterator[Fields]:
    try:
        with regular(path).open(encoding=ENCODING, newline="") as file:
            reader = csv.reader(lines(file, path), strict=True, delimiter=delimiter)
            try:
                for fields in reader:
                    if fields:
                        yield reader.line_num, fields
            except csv.Error as error:
                raise UserError(f"{path}, line {reader.line_num}: not CSV: {error}. {_advice(delimiter)}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8: {error.reason}. Save it as UTF-8.") from error


def _advice(delimiter: str) -> str:
    name = NAME_OF.get(delimiter, f"'{delimiter}'")
    return (
        f'Fields are taken to be separated by {name}; a field with a {name} or a quote in it needs "quotes" around it, '
        "a quote in there twice. If another character separates them, name it: --option delimiter=semicolon."
    )
