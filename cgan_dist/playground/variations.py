"""Labels around a chosen one: every class, each attribute switched, each value from low to high."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, Part, ProductLabels, parts_of_schema

STEPS = 5
"""Places that a real value takes, its low and high end included."""


class Variations(NamedTuple):
    """Labels of the space, (N,) or (N, W), and a short name for each that says what is different."""

    labels: Tensor
    heads: list[str]


def variations_of(space: LabelSpace, label: Tensor, at_most: int) -> Variations:
    """Varies one thing of a label at a time and holds the rest.

    Args:
        space: of the label.
        label: (1,) or (1, W).
        at_most: labels; of more classes than that, those that follow the chosen one are taken.

    Returns:
        All classes in order. For attributes the label itself, then each attribute switched: `+Smiling`, `-Male`. For
        values `STEPS` places of each. For a product these, one part after the other.
    """
    schema = space.schema
    parts = parts_of_schema(schema)
    columns = schema.columns if isinstance(schema, ProductLabels) else [slice(0, schema.width or 1)]
    flat = label.reshape(1, -1)
    rows: list[Tensor] = []
    heads: list[str] = []
    for part, own in zip(parts, columns, strict=True):
        if isinstance(part, ClassLabels | AttributeLabels | ContinuousLabels):
            for values, head in _varied(part, flat[0, own], at_most):
                row = flat[0].clone()
                row[own] = values
                rows.append(row)
                heads.append(head)
    labels = torch.stack(rows[:at_most]) if rows else flat
    return Variations(labels.reshape(-1, *label.shape[1:]), heads[:at_most] or space.describe(label))


def _varied(part: Part, chosen: Tensor, at_most: int) -> list[tuple[Tensor, str]]:
    """The values of one part, and what to call them."""
    if isinstance(part, ClassLabels):
        count = len(part.names)
        first = int(chosen[0]) if count > at_most else 0
        numbers = [number % count for number in range(first, first + min(count, at_most))]
        return [(chosen.new_tensor([number]), part.names[number]) for number in numbers]
    if isinstance(part, AttributeLabels):
        return [(chosen, "as chosen"), *(_switched(part, chosen, number) for number in range(len(part.names)))]
    found = []
    for number, (name, (low, high)) in enumerate(zip(part.names, part.ranges, strict=True)):
        for value in torch.linspace(low, high, STEPS, dtype=torch.float64).tolist():
            values = chosen.clone()
            values[number] = value
            found.append((values, f"{name} {value:.4g}"))
    return found


def _switched(part: AttributeLabels, chosen: Tensor, number: int) -> tuple[Tensor, str]:
    values = chosen.clone()
    values[number] = 1 - values[number]
    return values, f"{'+' if values[number] else '-'}{part.names[number]}"
