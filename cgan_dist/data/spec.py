"""What is known about the data before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from cgan_dist.labels import LabelSchema


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


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """What the manifest knows: facts that a config therefore never needs to repeat.

    Attributes:
        channels: image channels as stored, before `data.channels` repeats a grey one.
        height: pixels.
        width: pixels.
        count: images in the whole set.
        labels: what the labels are.
        fingerprint: sha256 of the manifest, hex; ties checkpoints and cached classifiers to their data.
    """

    channels: int
    height: int
    width: int
    count: int
    labels: LabelSchema
    fingerprint: str

    @classmethod
    def of(cls, image: ImageFacts, labels: LabelSchema, fingerprint: str, count: int = 0) -> DataSpec:
        """Gathers the facts; `count` is 0 where it is not known how many images there were."""
        size = {"channels": image.channels, "height": image.height, "width": image.width}
        return cls(**size, labels=labels, fingerprint=fingerprint, count=count)

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values; `from_dict` is the inverse."""
        return vars(self) | {"labels": self.labels.model_dump()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DataSpec:
        """Builds the spec back from `to_dict`."""
        return cls(**values | {"labels": TypeAdapter(LabelSchema).validate_python(values["labels"])})
