"""The headers of one tar: where each member of each sample lies. A tar that ends early is an error, not a short one."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from webdataset.tariterators import base_plus_ext

from cgan_dist.bounds import regular
from cgan_dist.errors import UserError, storage_error

BLOCK, CHUNK = 512, 1 << 20
MAX_HEADER_BYTES = 1 << 20
"""Of a name or of a set of attributes: a header may claim to be as long as the file."""
META = re.compile(r"__[^/]*__($|/)")
COMPRESSED = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz", b"\x28\xb5\x2f\xfd": "unzstd"}
"""First bytes, and what undoes it: a compressed tar cannot be read at an offset."""


class Member(NamedTuple):
    """A regular file in a tar.

    Attributes:
        key: of its sample: the name up to the first dot behind the last slash.
        suffix: the rest, in small letters.
        offset: of its content in the tar.
        size: of its content, bytes.
    """

    key: str
    suffix: str
    offset: int
    size: int


def members(path: Path) -> Iterator[Member]:
    """Walks a tar as WebDataset does, passing over the contents; links, folders and names without a dot are skipped.

    Raises:
        UserError: if it is no tar, compressed, damaged or cut short, behind all members that can be found.
    """
    try:
        with regular(path).open("rb") as file:
            yield from _walk(file, path)
    except UserError:
        raise
    except OSError as error:
        raise storage_error(error, f"{path}: cannot read: {error.strerror or error}.") from error
    except Exception as error:  # tarfile raises almost anything at damaged headers
        raise _damaged(path, str(error) or type(error).__name__) from error


def name_at(path: Path, offset: int) -> str:
    """Names the picture at an offset for an error: the tar, the key and the suffix."""
    for member in members(path):
        if member.offset == offset:
            return f"{path}, {readable(member.key)}.{readable(member.suffix)}"
    return f"{path}, offset {offset}"


def readable(name: str) -> str:
    """A name out of a tar, fit to be printed: other bytes than UTF-8 and control characters escaped."""
    escaped = name.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in escaped)


def _walk(file: IO[bytes], path: Path) -> Iterator[Member]:
    begin = file.read(8)
    for magic, tool in COMPRESSED.items():
        if begin.startswith(magic):
            raise UserError(f"{path}: a compressed tar, in which nothing can be found by its place; {tool} it first.")
    file.seek(0)
    with tarfile.open(fileobj=_Bounded(file), mode="r:") as tar:  # type: ignore[call-overload]
        end = 0
        while (info := tar.next()) is not None:
            tar.members.clear()  # it would keep all of them
            if info.size < 0 or tar.offset <= end:
                raise _damaged(path, f"a member of {info.size} bytes at byte {info.offset}")
            end = tar.offset
            key, suffix = base_plus_ext(info.name)
            if info.isreg() and not info.issparse() and key is not None and not META.match(info.name):
                yield Member(key, suffix.lower(), info.offset_data, info.size)
        _check_end(file, tar.offset, path)


def _check_end(file: IO[bytes], offset: int, path: Path) -> None:
    """Python takes a broken header for the end; at the true one there are zeros, and nothing but zeros."""
    file.seek(offset)
    if len(chunk := file.read(BLOCK)) < BLOCK:
        raise _damaged(path, f"it is cut short at byte {offset + len(chunk):,}")
    while chunk:
        if any(chunk):
            raise _damaged(path, f"no readable header at byte {offset:,}")
        chunk = file.read(CHUNK)


def _damaged(path: Path, cause: str) -> UserError:
    return UserError(f"{path}: not a whole tar file: {cause}. Fetch it again or take it away.")


class _Bounded:
    """A file whose headers may be of a sane length only."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Reads what tarfile asks for, which is headers: contents are passed over."""
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self.file.read(size)
