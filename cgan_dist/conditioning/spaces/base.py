"""The contract of a label space."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.labels import LabelSchema


class LabelSpace(Protocol):
    """What is conditioned on: picks labels out of the data's, encodes, parses, names and lays them out.

    *Stored* labels are those of the data, in the form of the data's schema. A space has *labels* of its own, in the
    form of `schema`: the same, or a part of them such as five of forty attributes. Plain Python, no parameters.
    """

    schema: LabelSchema
    """Form of the space's own labels."""
    layout: Layout
    """Form of the conditions that they become."""

    def select(self, stored: Tensor) -> Tensor:
        """Stored labels -> the space's own, on the same device."""

    def encode(self, labels: Tensor) -> Condition:
        """The space's own labels -> a condition, on the same device, without waiting for it."""

    def parse(self, text: str) -> Tensor:
        """What a person types, such as `0,3,sneaker` or `Smiling=1,Eyeglasses=0` -> labels.

        Several labels may be given. Raises UserError with the close match.
        """

    def grid(self, count: int) -> Tensor:
        """At most `count` different labels that show what the space can express: the columns of a sample grid."""

    def describe(self, labels: Tensor) -> list[str]:
        """A short name for each label, for a column of a grid or a line of a table."""
