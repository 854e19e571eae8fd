"""What a set of generated images is: enough to make the very same one again, and kept beside it as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.errors import UserError

FORMAT = "cgan_dist generated set 1"


@dataclass(frozen=True, kw_only=True)
class SetRecord:
    """The record. Two sets with equal ones have the same bytes, if their machines compute alike.

    Attributes:
        form: name, as `--format`.
        options: of the form.
        count: N.
        labels: which were asked for, in words or as they were typed.
        seed: of all draws.
        truncation: of z; null for none.
        checkpoint: name of its folder.
        checkpoint_sha256: of its manifest, which has the hash of every file in it.
        images_seen: by the generator, in training.
        image_shape: [H, W, C].
        label_schema: what labels mean.
        made_with: versions, and the device.
    """

    form: str
    options: dict[str, Any]
    count: int
    labels: str
    seed: int
    truncation: float | None
    checkpoint: str
    checkpoint_sha256: str
    images_seen: int
    image_shape: list[int]
    label_schema: dict[str, Any]
    made_with: dict[str, str]

    def to_json(self, sha256: str | None = None) -> str:
        """Returns the file's text; with the sha256 of the images when all are there."""
        return json.dumps({"format": FORMAT} | asdict(self) | {"sha256": sha256}, indent=1) + "\n"

    def differences(self, path: Path) -> list[str]:
        """Holds a record that was written earlier against this one: `seed: 0 there, 1 now` for all that differs.

        Raises:
            UserError: if the file is no such record.
        """
        try:
            there = json.loads(read_text(path, RECORD_BYTES))
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{path}: damaged or missing ({error}); expected the record of a generated set.") from error
        if not isinstance(there, dict) or there.get("format") != FORMAT:
            raise UserError(f"{path}: expected the record of a generated set, '{FORMAT}'.")
        now = json.loads(self.to_json())
        return [
            f"{key}: {there.get(key)!r} there, {now[key]!r} now" for key in asdict(self) if there.get(key) != now[key]
        ]
