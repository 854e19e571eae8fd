"""`csv`: a manifest `labels.csv` beside the pictures, its first line naming the columns."""

from __future__ import annotations

from pathlib import Path

from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import existing_file, existing_folder, read_csv
from cgan_dist.data.sources.table import Columns, read_table


def load(
    folder: Path | None,
    split: str,
    *,
    file: str = "labels.csv",
    path: str = "path",
    label: str | None = None,
    attributes: list[str] | None = None,
    continuous: list[str] | None = None,
    ranges: list[list[float]] | None = None,
    split_column: str | None = None,
) -> Source:
    """Reads the manifest; pictures are read one by one.

    Of `label`, `attributes` and `continuous` more than one makes a label of several kinds (`ProductLabels`).

    Args:
        folder: that the paths in the manifest are relative to, and that holds it.
        split: a value of `split_column`, or `all`; without that column `train` or `all`, which are the same.
        file: the manifest, UTF-8 with commas.
        path: column of the picture's path.
        label: column of the class name, `label` if this and the next two are left out; numbers sort as numbers.
        attributes: columns of 1 or true, and 0, -1 or false.
        continuous: columns of numbers.
        ranges: [low, high] of each of `continuous`; by default the least and the greatest value in the manifest.
        split_column: column that says which split a row belongs to.

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
    folder = existing_folder(folder, "csv", f"pictures and {file}")
    manifest = existing_file(folder, file, "file")
    header, rows = read_csv(manifest)
    by_column = ((line, dict(zip(header, fields, strict=True))) for line, fields in rows)
    return read_table(folder, split, manifest, by_column, columns)
