"""What earlier processes of a run have left in W&B's files: how far they go, and their ends mended after a kill.

W&B writes records of protobuf in LevelDB's log format: blocks of 32 KiB, in them chunks of a checksum, a length, a kind
and data; a record is one full chunk, or a first, middle ones and a last. A kill costs the last block.
"""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = 32_768
TAIL = 256 * BLOCK
"""The end of a file, more than a row of metrics with all histograms takes."""
PREAMBLE = struct.Struct("<4sHB")
SIGNATURE = (b":W&B", 0xBEE1, 0)
CHUNK = struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


class Row(NamedTuple):
    """Where a recorded row stands.

    Attributes:
        step: W&B's own count of rows, which grows over all sessions of a run.
        images_seen: the clock.
    """

    step: int
    images_seen: int


def last_row(folder: Path, run_id: str) -> Row | None:
    """Returns the last row that the sessions of a run hold on disk.

    Args:
        folder: `RUN/wandb`.
        run_id: of W&B.

    Returns:
        None where the sessions have no row.

    Raises:
        ValueError: if a file is not in the format known here.
    """
    found: list[Row] = []
    for path in sessions(folder, run_id):
        backwards = reversed([data for data, _ in _records(path, tail_only=True)])
        found += [Row(row["_step"], row["images"]) for row in islice(filter(None, map(_row, backwards)), 1)]
    return max(found, default=None)


def sessions(folder: Path, run_id: str) -> list[Path]:
    """Returns the file of each session of a run below `RUN/wandb`."""
    return sorted(folder.glob(f"*run-*-{run_id}/run-{run_id}.wandb"))


def mend(path: Path) -> None:
    """Takes off what a kill has left of a record, and removes a session that has no whole record.

    At either `wandb sync` stops with an error, and leaves out the sessions after it.

    Args:
        path: a `run-ID.wandb` that no process writes to.

    Raises:
        ValueError: if the file is not in the format known here.
    """
    size, end = path.stat().st_size, max((end for _, end in _records(path, tail_only=True)), default=0)
    if 0 < end < size:
        with path.open("r+b") as file:
            file.truncate(end)
    elif end == 0 and size < TAIL:
        shutil.rmtree(path.parent)


def history(path: Path) -> Iterator[dict[str, Any]]:
    """Reads the rows of one session that have `images`, as W&B's names and values; `path` is a `run-ID.wandb`."""
    yield from filter(None, (_row(data) for data, _ in _records(path)))


def _row(data: bytes) -> dict[str, Any] | None:
    """The row in a record, if it is one and has `images`."""
    from wandb.proto import wandb_internal_pb2

    record = getattr(wandb_internal_pb2, "Record")()  # noqa: B009 - made when it is imported, unknown to mypy
    record.ParseFromString(data)
    if record.WhichOneof("record_type") != "history":
        return None
    row = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
    return row if "images" in row else None


def _records(path: Path, tail_only: bool = False) -> Iterator[tuple[bytes, int]]:
    """Whole records, and where in the file each ends; one that is cut or damaged, and all after it, are left out."""
    with path.open("rb") as file:
        head = file.read(PREAMBLE.size)
        if len(head) < PREAMBLE.size:
            return
        if PREAMBLE.unpack(head) != SIGNATURE:
            raise ValueError(f"{path}: not a file of W&B in the format known here")
        begin = max(0, path.stat().st_size - TAIL) // BLOCK * BLOCK if tail_only else 0
        file.seek(begin or PREAMBLE.size)
        parts: list[bytes] | None = None
        for kind, data, end in _chunks(file.read(), begin or PREAMBLE.size):
            if kind in (FULL, FIRST):
                parts = []
            if parts is None:  # the end of a record that begins before the tail
                continue
            parts.append(data)
            if kind in (FULL, LAST):
                yield b"".join(parts), end
                parts = None


def _chunks(raw: bytes, begins_at: int) -> Iterator[tuple[int, bytes, int]]:
    """Kind, data and end of each chunk in the bytes from one place of the file on."""
    at = 0
    while at + CHUNK.size <= len(raw):
        left = BLOCK - (begins_at + at) % BLOCK
        checksum, length, kind = CHUNK.unpack_from(raw, at) if left >= CHUNK.size else (0, 0, 0)
        if kind == 0:  # the rest of a block is filled up
            at += left
            continue
        data = raw[at + CHUNK.size : at + CHUNK.size + length]
        if len(data) < length or zlib.crc32(data, zlib.crc32(bytes([kind]))) != checksum:
            return
        at += CHUNK.size + length
        yield kind, data, begins_at + at
