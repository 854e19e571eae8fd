"""`jsonl`: a manifest `labels.jsonl` beside the pictures, one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import existing_file, existing_folder, read_lines
from cgan_dist.data.sources.table import Columns, Row, read_table
from cgan_dist.errors import UserError


def load(
    folder: Path | None,
    split: str,
    *,
    file: str = "labels.jsonl",
    path: str = "path",
    label: str | None = None,
    attributes: list[str] | None = None,
    continuous: list[str] | None = None,
    ranges: list[list[float]] | None = None,
    split_column: str | None = None,
) -> Source:
    """Reads the manifest as `csv` does, with the same options; values may be text or what JSON has for them.

    Args:
        folder: that the paths in the manifest are relative to, and that holds it.
        split: a value of `split_column`, or `all`; without that column `train` or `all`, which are the same.
        file: the manifest, UTF-8.
        path: key of the picture's path.
        label: key of the class name, `label` if this and the next two are left out; numbers sort as numbers.
        attributes: keys of 1 or true, and 0, -1 or false.
        continuous: keys of numbers.
        ranges: [low, high] of each of `continuous`; by default the least and the greatest value in the manifest.
        split_column: key that says which split a row belongs to.

    Raises:
        UserError: naming the line, if a value is missing or malformed, a path leaves the folder, or a picture is
            missing.
    """
    columns = Columns(
        path=path,
        label=label,
        attributes=attributes,
        continuous=continuous,
        ranges=ranges,
        split_column=split_column,
    )
    folder = existing_folder(folder, "jsonl", f"pictures and {file}")
    manifest = existing_file(folder, file, "file")
    return read_table(folder, split, manifest, _rows(manifest), columns)


def _rows(manifest: Path) -> Iterator[Row]:
    for line, text in read_lines(manifest):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{manifest}, line {line}: not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise UserError(f"{manifest}, line {line}: a {type(row).__name__}, expected an object {{...}} per line.")
        yield line, row
