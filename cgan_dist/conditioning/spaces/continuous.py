"""Label space `continuous`: D real values, each within its range."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.spaces.assignments import read_assignments, split_labels
from cgan_dist.conditioning.spaces.constant import Constant
from cgan_dist.conditioning.spaces.stored import Columns, parts_of, subset
from cgan_dist.errors import UserError
from cgan_dist.labels import ContinuousLabels, LabelSchema

RANGE_DIGITS = 2
"""A value is written to a hundredth of its range, or finer."""


class Continuous:
    """D values; a label is (D,) float32 in the data's units, and its condition each range brought to [-1, 1].

    Args:
        schema: the data's labels.
        names: which values, in which order; null takes all.

    Raises:
        UserError: if the data has no continuous labels, or none of such a name.
    """

    schema: ContinuousLabels

    def __init__(self, schema: LabelSchema, names: list[str] | None = None) -> None:
        parts = parts_of(schema, ContinuousLabels, "continuous")
        column_of = {name: first + place for part, first in parts for place, name in enumerate(part.names)}
        ranges = {name: limits for part, _ in parts for name, limits in zip(part.names, part.ranges, strict=True)}
        chosen = subset(names, list(column_of))
        self.schema = ContinuousLabels(names=chosen, ranges=[ranges[name] for name in chosen])
        self.layout = Layout(reals=len(chosen))
        self.columns = Columns((column_of[name] for name in chosen), torch.float32)
        self.middles = [(low + high) / 2 for low, high in self.schema.ranges]
        self.middle = Constant(self.middles, torch.float32)
        self.half_range = Constant([(high - low) / 2 for low, high in self.schema.ranges], torch.float32)

    def select(self, stored: Tensor) -> Tensor:
        """(B, W) -> (B, D) float32."""
        return self.columns.of(stored)

    def encode(self, labels: Tensor) -> Condition:
        """(B, D) float32 -> a condition of reals in [-1, 1]."""
        middle, half_range = self.middle.on(labels.device), self.half_range.on(labels.device)
        return Condition.of_values((labels - middle) / half_range)

    def parse(self, text: str) -> Tensor:
        """Reads `azimuth=30,elevation=0.5; azimuth=60`: two labels; what is not named is in the middle of its range."""
        return torch.tensor([self._parse_one(words) for words in split_labels(text)], dtype=torch.float32)

    def grid(self, count: int) -> Tensor:
        """Each value in turn from low to high, with the others in the middle; each takes its share of the columns."""
        if count == 1:
            return torch.tensor([self.middles])
        shown = min(self.layout.reals, count // 2)
        labels = []
        for number, (low, high) in enumerate(self.schema.ranges[:shown]):
            steps = count // shown + (number < count % shown)
            for value in torch.linspace(low, high, steps, dtype=torch.float64).tolist():
                labels.append((*self.middles[:number], value, *self.middles[number + 1 :]))
        return torch.tensor(list(dict.fromkeys(labels)), dtype=torch.float32)

    def describe(self, labels: Tensor) -> list[str]:
        """`azimuth 30 elevation 0.5`, to a hundredth of each range."""
        return [" ".join(map(_shown, self.schema.names, row, self.schema.ranges)) for row in labels.tolist()]

    def _parse_one(self, words: Sequence[str]) -> list[float]:
        given = read_assignments(words, self.schema.names, "value")
        return [
            self._value(name, given[name], *limits) if name in given else middle
            for name, limits, middle in zip(self.schema.names, self.schema.ranges, self.middles, strict=True)
        ]

    def _value(self, name: str, text: str | None, low: float, high: float) -> float:
        try:
            value = float(text or "")
        except ValueError:
            raise UserError(
                f"label '{name if text is None else f'{name}={text}'}': expected a number, e.g. {name}={low:g}."
            ) from None
        if not np.float32(low) <= np.float32(value) <= np.float32(high):  # as the data's are held; nan is not either
            raise UserError(f"label '{name}={text}': outside of the data's range; expected {low:g} to {high:g}.")
        return value


def _shown(name: str, value: float, limits: tuple[float, float]) -> str:
    digits = RANGE_DIGITS - math.floor(math.log10(limits[1] - limits[0]))
    return f"{name} {round(value, digits) + 0.0:.12g}"  # + 0.0 makes -0.0 plain
