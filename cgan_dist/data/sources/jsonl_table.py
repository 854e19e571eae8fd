"""`jsonl`: a manifest `labels.jsonl` beside the pictures, one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from cgan_dist.data.sources.files import read_lines
from cgan_dist.data.sources.stylegan import refuse_dataset_json
from cgan_dist.data.sources.table import Row
from cgan_dist.data.sources.table_source import table_source
from cgan_dist.errors import UserError


def _rows(manifest: Path, delimiter: str | None) -> Iterator[Row]:
    if delimiter is not None:
        raise UserError("delimiter: an option of csv; JSON has its own.")
    refuse_dataset_json(manifest)
    for line, text in read_lines(manifest):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{manifest}, line {line}: not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise UserError(f"{manifest}, line {line}: a {type(row).__name__}, expected an object {{...}} per line.")
        yield line, row


load = table_source("jsonl", "labels.jsonl", _rows)
"""Reads a manifest in UTF-8, whose values may be text or what JSON has for them; see `table_source` for its options."""
