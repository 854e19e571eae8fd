"""What of a sample is its label: a member, a key of a JSON member, the tar's name or its folder's, or nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgan_dist.data.tars.walk import readable
from cgan_dist.errors import UserError

NONE, SHARD, FOLDER, JSON = "none", "shard", "folder", "json"
MAX_LABEL_BYTES = 1 << 20


class NoLabel(Exception):
    """A sample has no label; the text says why."""


@dataclass(frozen=True)
class LabelRule:
    """How a label is found.

    Attributes:
        name: as a user types it: `cls`, `txt` or another suffix, `json.KEY`, `shard`, `folder`, `none`.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name in ("", JSON, f"{JSON}."):
            raise UserError("label: json alone is no label; name a key of it, label=json.KEY, with dots inside of it.")

    @property
    def member(self) -> str | None:
        """Suffix of the member that holds it; null if it is in none."""
        if self.name in (NONE, SHARD, FOLDER):
            return None
        return JSON if self.name.startswith(f"{JSON}.") else self.name.lower()

    def of_tar(self, tar: Path) -> str:
        """The label of all samples of a tar, where no member holds it: cats-000012.tar is of class cats."""
        if self.name == FOLDER:
            return tar.absolute().parent.name
        return (re.sub(r"[-_. ]*[0-9]+$", "", tar.stem) or tar.stem) if self.name == SHARD else ""

    def of_member(self, content: bytes) -> str:
        """The label as text.

        Raises:
            NoLabel: if there is none.
        """
        try:
            text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise NoLabel(f".{self.member} is not text in UTF-8") from None
        if self.member == JSON:
            text = _text(_value(text, self.name.removeprefix(f"{JSON}.")), self.name)
        if not text:
            raise NoLabel(f"{self.name} is empty")
        return readable(text)


def json_keys(content: bytes) -> list[str]:
    """The keys of a JSON member whose values could be classes, nested ones with dots; for errors."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return []
    return list(_keys(found, "")) if isinstance(found, dict) else []


def _keys(values: dict[str, Any], above: str) -> list[str]:
    found: list[str] = []
    for key, value in values.items():
        if isinstance(value, dict) and not above:
            found += _keys(value, f"{key}.")
        elif isinstance(value, str | int):
            found.append(f"{above}{key}")
    return found


def _value(text: str, key: str) -> object:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NoLabel(".json is not JSON") from None
    if isinstance(found, dict) and key in found:
        return found[key]
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            raise NoLabel(f".json has no key '{key}'")
        found = found[part]
    return found


def _text(value: object, name: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int):
        raise NoLabel(f"{name} is {str(value)[:40]}, not the name or the number of a class")
    return str(value).strip()
