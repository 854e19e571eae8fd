"""Label space `attributes`: any of A independent yes/no attributes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations, islice

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.spaces.assignments import read_assignments, split_labels
from cgan_dist.conditioning.spaces.stored import Columns, parts_of, subset
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, LabelSchema

NO_ATTRIBUTE = "none"
BITS = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}


class Attributes:
    """A attributes; a label is (A,) uint8, each 0 or 1, and its condition the same numbers.

    Args:
        schema: the data's labels.
        names: which attributes, in which order; null takes all.

    Raises:
        UserError: if the data has no attributes, or none of such a name.
    """

    schema: AttributeLabels

    def __init__(self, schema: LabelSchema, names: list[str] | None = None) -> None:
        column_of = {
            name: first + place
            for part, first in parts_of(schema, AttributeLabels, "attributes")
            for place, name in enumerate(part.names)
        }
        chosen = subset(names, list(column_of))
        self.schema = AttributeLabels(names=chosen)
        self.layout = Layout(bits=len(chosen))
        self.columns = Columns((column_of[name] for name in chosen), torch.uint8)

    def select(self, stored: Tensor) -> Tensor:
        """(B, W) -> (B, A) uint8."""
        return self.columns.of(stored)

    def encode(self, labels: Tensor) -> Condition:
        """(B, A) uint8 -> a condition of bits."""
        return Condition.of_values(labels.float())

    def parse(self, text: str) -> Tensor:
        """Reads `Smiling=1,Male=0; Smiling,Male; none`: three labels.

        A bare name stands for 1, the values are 0, 1, false, true, no and yes, and what is not named is 0.
        """
        return torch.tensor([self._parse_one(words) for words in split_labels(text)], dtype=torch.uint8)

    def grid(self, count: int) -> Tensor:
        """None of the attributes, each alone, each pair, and so on."""
        numbers = range(self.layout.bits)
        together = chain.from_iterable(combinations(numbers, size) for size in range(self.layout.bits + 1))
        chosen = [set(combination) for combination in islice(together, count)]
        return torch.tensor([[int(number in label) for number in numbers] for label in chosen], dtype=torch.uint8)

    def describe(self, labels: Tensor) -> list[str]:
        """`Smiling+Male`, or `none`."""
        return [
            "+".join(name for name, bit in zip(self.schema.names, bits, strict=True) if bit) or NO_ATTRIBUTE
            for bits in labels.tolist()
        ]

    def _parse_one(self, words: Sequence[str]) -> list[int]:
        names = self.schema.names
        if words == [NO_ATTRIBUTE] and NO_ATTRIBUTE not in names:
            words = []
        given = {name: _bit(name, value) for name, value in read_assignments(words, names, "attribute").items()}
        return [given.get(name, 0) for name in names]


def _bit(name: str, value: str | None) -> int:
    if value is None:
        return 1
    if value.lower() not in BITS:
        raise UserError(f"label '{name}={value}': expected {name}=1 or {name}=0 (also true, yes, false, no).")
    return BITS[value.lower()]
