"""`manifest.json`: what a folder of shards holds, exactly."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cgan_dist.data.codecs import Encoding
from cgan_dist.errors import UserError
from cgan_dist.labels import LabelSchema
from cgan_dist.types import DataSpec

MANIFEST = "manifest.json"
Positive = Annotated[int, Field(gt=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class File(_Strict):
    """One file beside the manifest; the name has no folder in it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    bytes: Positive
    sha256: Sha256


class Shard(File):
    """One tar file, and the index of its members where images are single members."""

    count: Positive
    index: File | None = None


class ImageFormat(_Strict):
    """What every image is: uint8, (height, width, channels), and how it lies in the tar file."""

    height: Positive
    width: Positive
    channels: Literal[1, 3]
    encoding: Encoding = "raw"


class Manifest(_Strict):
    """The whole file."""

    format: Literal["cgan_dist shards 1"] = "cgan_dist shards 1"
    count: Positive
    image: ImageFormat
    labels: LabelSchema
    histogram: dict[str, int]
    source: str
    seed: int
    shards: Annotated[list[Shard], Field(min_length=1)]

    @model_validator(mode="after")
    def _adds_up(self) -> Manifest:
        if sum(shard.count for shard in self.shards) != self.count:
            raise ValueError("count and the shards' counts do not add up")
        if self.labels.kind == "classes" and sum(self.histogram.values()) != self.count:
            raise ValueError("count and the histogram do not add up")
        if len({shard.name for shard in self.shards}) != len(self.shards):
            raise ValueError("two shards have the same name")
        if any((shard.index is None) != (self.image.encoding == "raw") for shard in self.shards):
            raise ValueError("encoded shards have an index, raw ones have none")
        return self

    def to_json(self) -> str:
        """Returns the file's text."""
        return json.dumps(self.model_dump(), indent=1) + "\n"

    @property
    def fingerprint(self) -> str:
        """Sha256 of what the images and labels are, hex; where they were read from does not matter."""
        content = self.model_dump_json(include={"format", "count", "image", "labels", "shards"})
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def spec(self) -> DataSpec:
        """The facts that networks and label spaces are built from."""
        image = self.image
        return DataSpec(
            channels=image.channels,
            height=image.height,
            width=image.width,
            count=self.count,
            labels=self.labels,
            fingerprint=self.fingerprint,
        )

    @property
    def decoded_bytes(self) -> int:
        """Size of all images as uint8."""
        return self.count * self.image.height * self.image.width * self.image.channels


def parse_manifest(text: str, where: str) -> Manifest:
    """Reads the file's text; the shards themselves are not touched.

    Raises:
        UserError: beginning with `where`, if it is not a manifest.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise UserError(
            f"{where}: damaged manifest: {key + ': ' if key else ''}{problem['msg']}. Prepare the data again."
        ) from None
