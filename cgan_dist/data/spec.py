"""What is known about the data before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from cgan_dist.labels import LabelSchema
from cgan_dist.latents.facts import LatentFacts


class ImageFacts(Protocol):
    """What is said of every image, in a manifest and in a model folder alike."""

    @property
    def channels(self) -> int:
        """C."""

    @property
    def height(self) -> int:
        """H, pixels."""

    @property
    def width(self) -> int:
        """W, pixels."""

    @property
    def latents(self) -> LatentFacts | None:
        """What they are, if they are latents."""


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """What the manifest knows: facts that a config therefore never needs to repeat.

    Attributes:
        channels: image channels as stored, before `data.channels` repeats a grey one; of latents C.
        height: pixels, or places of a latent.
        width: likewise.
        count: images in the whole set.
        labels: what the labels are.
        fingerprint: sha256 of the manifest, hex; ties checkpoints and cached classifiers to their data.
        latents: what images are, where they are latents.
    """

    channels: int
    height: int
    width: int
    count: int
    labels: LabelSchema
    fingerprint: str
    latents: LatentFacts | None = None

    @property
    def stored_channels(self) -> int:
        """Of the uint8 images of a batch: bytes of latents, where these are kept."""
        return self.channels if self.latents is None else self.latents.stored_channels

    @property
    def picture(self) -> tuple[int, int, int]:
        """(C, H, W) of what a person sees of an image."""
        shown = self if self.latents is None else self.latents.picture
        return shown.channels, shown.height, shown.width

    @classmethod
    def of(cls, image: ImageFacts, labels: LabelSchema, fingerprint: str, count: int = 0) -> DataSpec:
        """Gathers the facts; `count` is 0 where it is not known how many images there were."""
        latents = image.latents
        channels = image.channels if latents is None else latents.channels
        size = {"channels": channels, "height": image.height, "width": image.width}
        return cls(**size, labels=labels, fingerprint=fingerprint, count=count, latents=latents)

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values; `from_dict` is the inverse."""
        values = vars(self) | {"labels": self.labels.model_dump()}
        if self.latents is None:  # as in checkpoints from before there were any
            del values["latents"]
            return values
        return values | {"latents": self.latents.model_dump()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DataSpec:
        """Builds the spec back from `to_dict`."""
        found = values | {"labels": TypeAdapter(LabelSchema).validate_python(values["labels"])}
        if (latents := values.get("latents")) is not None:
            found["latents"] = LatentFacts.model_validate(latents)
        return cls(**found)
