"""`json`: a manifest `labels.json` beside the pictures, one object from path to label or tags, or a list of objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cgan_dist.data.sources.json_file import read_json
from cgan_dist.data.sources.stylegan import refuse_dataset_json
from cgan_dist.data.sources.table import DEFAULT_LABEL, Row
from cgan_dist.data.sources.table_source import table_source
from cgan_dist.errors import UserError


def _rows(manifest: Path, delimiter: str | None) -> Iterator[Row]:
    if delimiter is not None:
        raise UserError("delimiter: an option of csv; JSON has its own.")
    refuse_dataset_json(manifest)
    found = read_json(manifest)
    if isinstance(found, dict):
        for number, (path, value) in enumerate(found.items(), start=1):
            values = value if isinstance(value, dict) else {DEFAULT_LABEL: value}
            yield number, {"path": path} | values
        return
    if not isinstance(found, list):
        raise UserError(
            f'{manifest}: a {type(found).__name__}; expected an object {{"a.jpg": "cat", ...}} or a list of objects.'
        )
    for number, row in enumerate(found, start=1):
        if not isinstance(row, dict):
            raise UserError(f"{manifest}, line {number}: a {type(row).__name__}, expected an object {{...}} per image.")
        yield number, row


load = table_source("json", "labels.json", _rows)
"""Reads a manifest in UTF-8; "line" in an error counts its entries. See `table_source` for its options."""
