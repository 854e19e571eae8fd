"""`manifest.json`: what a folder of shards holds, exactly."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cgan_dist.errors import UserError
from cgan_dist.types import DataSpec

FILE_NAME = "manifest.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Shard(_Strict):
    """One tar file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.tar$")]
    count: Annotated[int, Field(gt=0)]
    bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ImageFormat(_Strict):
    """What every image is: uint8, (height, width, channels)."""

    height: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]
    channels: Annotated[int, Field(gt=0)]


class ClassLabels(_Strict):
    """Label schema `classes`: the names in label order, and how many images each has."""

    kind: Literal["classes"] = "classes"
    names: Annotated[list[str], Field(min_length=1)]
    histogram: list[int]


class Manifest(_Strict):
    """The whole file."""

    format: Literal["cgan_dist packed shards 1"] = "cgan_dist packed shards 1"
    count: Annotated[int, Field(gt=0)]
    image: ImageFormat
    labels: ClassLabels
    source: str
    seed: int
    shards: Annotated[list[Shard], Field(min_length=1)]

    @model_validator(mode="after")
    def _adds_up(self) -> Manifest:
        if sum(shard.count for shard in self.shards) != self.count or sum(self.labels.histogram) != self.count:
            raise ValueError("count, the shards' counts and the label histogram do not add up")
        if len(self.labels.histogram) != len(self.labels.names):
            raise ValueError("labels.histogram and labels.names differ in length")
        if len({shard.name for shard in self.shards}) != len(self.shards):
            raise ValueError("two shards have the same name")
        return self

    def to_json(self) -> str:
        """Returns the file's text."""
        return json.dumps(self.model_dump(), indent=1) + "\n"

    @property
    def fingerprint(self) -> str:
        """Sha256 of the content, hex; it covers every shard's sha256."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def spec(self) -> DataSpec:
        """The facts that networks and label spaces are built from."""
        return DataSpec(
            channels=self.image.channels,
            height=self.image.height,
            width=self.image.width,
            count=self.count,
            class_names=tuple(self.labels.names),
            fingerprint=self.fingerprint,
        )


def read_manifest(folder: Path) -> Manifest:
    """Reads and checks `folder/manifest.json`; the shards themselves are not touched.

    Raises:
        UserError: if the folder or file is missing, or the file is not a manifest.
    """
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        what = "has no manifest.json" if folder.exists() else "does not exist"
        raise UserError(
            f"data.path: the folder '{folder}' {what}. Make shards first, e.g. cgan-dist prepare mnist5k --out {folder}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read: {error}.") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise UserError(f"{path}: damaged manifest: {where + ': ' if where else ''}{problem['msg']}. "
                        "Prepare the data again.") from None
