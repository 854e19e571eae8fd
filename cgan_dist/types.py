"""The nouns that every room shares: a batch, and what is known about the data before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from torch import Tensor

from cgan_dist.labels import LabelSchema


class Batch(NamedTuple):
    """Images and labels as they leave the loader, one rank's share of a global batch.

    Attributes:
        images: (B, C, H, W) uint8.
        labels: as the label schema stores them, e.g. (B,) int64 for classes.
    """

    images: Tensor
    labels: Tensor


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

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values; `from_dict` is the inverse."""
        return vars(self) | {"labels": self.labels.model_dump()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DataSpec:
        """Builds the spec back from `to_dict`."""
        return cls(**values | {"labels": TypeAdapter(LabelSchema).validate_python(values["labels"])})
