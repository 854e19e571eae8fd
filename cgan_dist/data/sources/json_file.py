"""A JSON file, or one within an archive, to what Python has for it."""

from __future__ import annotations

import json
from pathlib import Path

from cgan_dist.bounds import TABLE_BYTES, read_bytes
from cgan_dist.errors import UserError


def read_json(path: Path) -> object:
    """Reads a file.

    Raises:
        UserError: if it is missing or not JSON in UTF-8.
    """
    try:
        content = read_bytes(path, TABLE_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    return parse_json(content, str(path))


def parse_json(content: bytes, where: str) -> object:
    """Reads the content of a file.

    Raises:
        UserError: beginning with `where`, if it is not JSON in UTF-8.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise UserError(f"{where}: not JSON in UTF-8, or cut off: {error}.") from error
