"""`manifest.json`: what a folder of shards holds, exactly."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from cgan_dist.bounds import IMAGE_SIDE, LATENT_CHANNELS, SET_IMAGES
from cgan_dist.config.explanation import KEY_CHARACTERS
from cgan_dist.data.codecs import Encoding
from cgan_dist.data.spec import DataSpec
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels, LabelSchema, names_of_kind
from cgan_dist.latents.facts import BYTES, LatentFacts, PictureFacts

MANIFEST = "manifest.json"
TAR_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$"
"""A path that stays below its folder, and is the same in a URL."""
CONTENT = {"format", "count", "image", "labels", "shards"}
"""What the fingerprint is of."""
Positive = Annotated[int, Field(gt=0, lt=1 << 63)]
Images = Annotated[int, Field(gt=0, le=SET_IMAGES.limit)]
Side = Annotated[int, Field(gt=0, le=IMAGE_SIDE.limit)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class File(_Strict):
    """One file beside the manifest; the name has no folder in it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    bytes: Positive
    sha256: Sha256


class Tar(File):
    """One tar file that somebody else wrote; it may lie in a folder beside the manifest."""

    name: Annotated[str, Field(pattern=TAR_NAME)]


class Shard(File):
    """One tar file, and the index of its members where images are single members; or a list of images in tars."""

    count: Images
    index: File | None = None


class ImageFormat(_Strict):
    """What every image is: uint8, (height, width, channels), and how it lies in the tar file.

    Of latents these are their bytes, and `latents` says what they mean; of pixels there is no such key.
    """

    height: Side
    width: Side
    channels: Annotated[int, Field(gt=0, le=2 * BYTES * LATENT_CHANNELS.limit)]
    encoding: Encoding = "raw"
    latents: LatentFacts | None = None

    @model_validator(mode="after")
    def _fits(self) -> ImageFormat:
        if self.latents is None:
            if self.channels not in (1, 3):
                raise ValueError(f"found {self.channels} channels, expected 1 or 3")
        elif (self.channels, self.encoding) != (self.latents.stored_channels, "raw"):
            raise ValueError("channels and encoding are not those of such latents")
        return self

    @model_serializer(mode="wrap")
    def _as_ever(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        if self.latents is None:  # so that the manifest of pixels, and its fingerprint, are what they always were
            del values["latents"]
        return values

    @property
    def picture(self) -> PictureFacts:
        """What a person sees of an image."""
        if self.latents is not None:
            return self.latents.picture
        return PictureFacts(channels=1 if self.channels == 1 else 3, height=self.height, width=self.width)


class Manifest(_Strict):
    """The whole file.

    Where `tars` are stated the set was adopted: shards are lists of images in them, not tars themselves.
    """

    format: Literal["cgan_dist shards 1"] = "cgan_dist shards 1"
    count: Images
    image: ImageFormat
    labels: LabelSchema
    histogram: dict[str, int]
    source: str
    seed: int
    shards: Annotated[list[Shard], Field(min_length=1)]
    tars: Annotated[list[Tar], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Manifest:
        if sum(shard.count for shard in self.shards) != self.count:
            raise ValueError("count and the shards' counts do not add up")
        if self.labels.kind == "classes" and sum(self.histogram.values()) != self.count:
            raise ValueError("count and the histogram do not add up")
        if any(shard.count > shard.bytes for shard in self.shards):
            raise ValueError("a shard has more images than bytes")
        if len({shard.name for shard in self.shards}) != len(self.shards):
            raise ValueError("two shards have the same name")
        if self.tars is not None and self.image.encoding == "raw":
            raise ValueError("adopted images are encoded")
        indexed = self.image.encoding != "raw" and self.tars is None
        if any((shard.index is not None) != indexed for shard in self.shards):
            raise ValueError("encoded shards have an index, raw and adopted ones have none")
        return self

    def to_json(self) -> str:
        """Returns the file's text."""
        values = self.model_dump()
        if self.tars is None:  # so that shards of our own have the manifest that they always had
            del values["tars"]
        return json.dumps(values, indent=1) + "\n"

    @property
    def fingerprint(self) -> str:
        """Sha256 of what the images and labels are, hex; where they were read from does not matter."""
        content = self.model_dump_json(include=CONTENT if self.tars is None else CONTENT | {"tars"})
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def empty_classes(self) -> list[str]:
        """Classes without any image."""
        return [name for name in names_of_kind(self.labels, ClassLabels) if not self.histogram.get(name)]

    @property
    def spec(self) -> DataSpec:
        """The facts that networks and label spaces are built from."""
        return DataSpec.of(self.image, self.labels, self.fingerprint, self.count)

    @property
    def stored_bytes(self) -> int:
        """Size of the files that hold images."""
        return sum(file.bytes for file in self.tars or self.shards)

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
        key = ".".join(str(part)[:KEY_CHARACTERS] for part in problem["loc"])
        raise UserError(
            f"{where}: damaged manifest: {key + ': ' if key else ''}{problem['msg']}. Prepare the data again."
        ) from None
