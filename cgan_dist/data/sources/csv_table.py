"""`csv`: a manifest `labels.csv` beside the pictures, its first line naming the columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cgan_dist.data.sources.csv_file import read_csv
from cgan_dist.data.sources.table import Row
from cgan_dist.data.sources.table_source import table_source


def _rows(manifest: Path, delimiter: str | None) -> Iterator[Row]:
    header, rows = read_csv(manifest, delimiter)
    return ((line, dict(zip(header, fields, strict=True))) for line, fields in rows)


load = table_source("csv", "labels.csv", _rows)
"""Reads a manifest in UTF-8 with commas, semicolons, tabs or bars; see `table_source` for its options."""
