"""Sources that read a manifest: the options that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import existing_file, existing_folder
from cgan_dist.data.sources.table import Columns, Row, read_table


def table_source(
    name: str, default_file: str, rows: Callable[[Path, str | None], Iterable[Row]]
) -> Callable[..., Source]:
    """Makes the source that reads one form of manifest; pictures are read one by one.

    Args:
        name: what `cgan-dist prepare` calls it, for errors.
        default_file: the manifest's usual name.
        rows: reads a manifest with the delimiter asked for, raising UserError at a malformed line.
    """

    def load(
        folder: Path | None,
        split: str,
        *,
        file: str = default_file,
        path: str = "path",
        label: str | None = None,
        attributes: list[str] | None = None,
        continuous: list[str] | None = None,
        ranges: list[list[float]] | None = None,
        split_column: str | None = None,
        delimiter: str | None = None,
    ) -> Source:
        """Reads the manifest. More than one of `label`, `attributes` and `continuous` makes a `ProductLabels`.

        Args:
            folder: that the paths in the manifest are relative to, and that holds it.
            split: a value of `split_column`, or `all`; without that column `train` or `all`, which are the same.
            file: the manifest.
            path: column, or key, of the picture's path below the folder; a suffix may be left out.
            label: that of the class name, `label` if this and the next two are left out; names are in natural order.
            attributes: those of 1, true or yes, and 0, -1, false or no.
            continuous: those of numbers.
            ranges: [low, high] of each of `continuous`; by default the least and the greatest value in the manifest.
            split_column: that which says which split a row belongs to.
            delimiter: of `csv`, a character or comma, semicolon, tab or bar; by default that of the first line.

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
        folder = existing_folder(folder, name, f"pictures and {file}")
        manifest = existing_file(folder, file, "file")
        return read_table(folder, split, manifest, rows(manifest, delimiter), columns)

    return load
