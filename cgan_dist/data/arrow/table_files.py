"""One file of Parquet or Arrow: its schema, some of its columns, and Parquet spooled to where a row can be picked."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cgan_dist.bounds import regular
from cgan_dist.errors import UserError

SPOOLED_ROWS = 64
"""A batch of that many pictures is in memory while Parquet is spooled."""


def library(name: str = "pyarrow") -> Any:
    """Imports PyArrow or a module of it.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError("huggingface: needs PyArrow; pip install 'cgan_dist[hf]' brings it.") from error


def read_schema(path: Path) -> Any:
    """Returns the `pyarrow.Schema` of a file.

    Raises:
        UserError: if it is damaged.
    """
    with _damage_named(path):
        arrow = path.suffix == ".arrow"
        schema = open_arrow(path).schema if arrow else library("pyarrow.parquet").ParquetFile(path).schema_arrow
        _ = schema.names  # in damaged text, which is decoded only now
        return schema


def count_rows(path: Path) -> int:
    """Returns how many rows a file has.

    Raises:
        UserError: if it is damaged.
    """
    if path.suffix == ".arrow":
        return int(open_arrow(path).num_rows)
    with _damage_named(path):
        return int(library("pyarrow.parquet").ParquetFile(path).metadata.num_rows)


def read_columns(path: Path, columns: Sequence[str]) -> Any:
    """Reads some columns as a `pyarrow.Table`, whose offsets are checked; Arrow is mapped and not read.

    Raises:
        UserError: if the file is damaged.
    """
    if path.suffix == ".arrow":
        found = open_arrow(path).select(list(columns))
        with _damage_named(path):
            found.validate(full=True)  # else an offset that leads astray is followed when a row is read
        return found
    with _damage_named(path):
        return library("pyarrow.parquet").ParquetFile(path).read(columns=list(columns))


def open_arrow(path: Path) -> Any:
    """Maps an Arrow file, a stream as `datasets` writes it or the other form, as a `pyarrow.Table`; nothing is read.

    Raises:
        UserError: if it is damaged.
    """
    arrow = library()
    with _damage_named(path):
        source = arrow.memory_map(str(path))
        magic = source.read(6)
        source.seek(0)
        kind = arrow.ipc.open_file if magic == b"ARROW1" else arrow.ipc.open_stream
        return kind(source).read_all()


def uncompressed_bytes(path: Path) -> int:
    """Size of all columns of a Parquet file as Arrow, about.

    Raises:
        UserError: if it is damaged.
    """
    with _damage_named(path):
        metadata = library("pyarrow.parquet").ParquetFile(path).metadata
        return sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))


def spool(path: Path, column: str, target: Path) -> None:
    """Writes one column of a Parquet file as Arrow, of which any row can be read without its neighbours.

    Raises:
        UserError: if the file is damaged.
        OSError: if the target cannot be written.
    """
    arrow, parquet = library(), library("pyarrow.parquet")
    with _damage_named(path):
        file = parquet.ParquetFile(path)
        batches = file.iter_batches(SPOOLED_ROWS, columns=[column])
        first = next(batches, None)
    if first is None:
        first = arrow.RecordBatch.from_pylist([], schema=arrow.schema([file.schema_arrow.field(column)]))
    with arrow.OSFile(str(target), "wb") as sink, arrow.ipc.new_stream(sink, first.schema) as writer:
        writer.write_batch(first)
        while True:
            with _damage_named(path):
                batch = next(batches, None)
            if batch is None:
                break
            writer.write_batch(batch)


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Names the file in what PyArrow finds wrong with it."""
    try:
        regular(path)
        yield
    except (library().ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: damaged, or not what its name says: {error}. Fetch it again.") from error
