"""What a person turns to choose a label, and the label that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, ProductLabels


class Choice(NamedTuple):
    """One of several names; its value is the name."""

    names: list[str]

    def numbers(self, value: object) -> list[float]:
        """Reads the number of the class.

        Raises:
            UserError: if it is no class.
        """
        if not isinstance(value, str) or value not in self.names:
            near = close_match(value, self.names) if isinstance(value, str) else ""
            raise UserError(f"label: found {value!r}; expected the name of a class.{near}")
        return [self.names.index(value)]

    @property
    def start(self) -> str:
        """The value that is there at first."""
        return self.names[0]


class Switches(NamedTuple):
    """Any of several names; the value is a list of those that are on."""

    names: list[str]

    def numbers(self, value: object) -> list[float]:
        """Reads 0 or 1 for each name.

        Raises:
            UserError: if it is no list of names.
        """
        if not isinstance(value, list):
            raise UserError(f"label: found {value!r}; expected a list of attributes.")
        for name in value:
            if name not in self.names:
                near = close_match(name, self.names) if isinstance(name, str) else ""
                raise UserError(f"label: found {name!r}; expected the name of an attribute.{near}")
        return [float(name in value) for name in self.names]

    @property
    def start(self) -> list[str]:
        """The value that is there at first."""
        return []


class Span(NamedTuple):
    """A real value within its range."""

    name: str
    low: float
    high: float

    def numbers(self, value: object) -> list[float]:
        """Reads the value.

        Raises:
            UserError: if it is no number, or outside.
        """
        return [number_within(self.name, value, self.low, self.high)]

    @property
    def start(self) -> float:
        """The value that is there at first: the middle."""
        return (self.low + self.high) / 2


Control = Choice | Switches | Span


def controls_of(schema: LabelSchema) -> list[Control]:
    """Returns what it takes to choose any label, in the order of its numbers; nothing where there are no labels."""
    if isinstance(schema, ProductLabels):
        return [control for part in schema.parts for control in controls_of(part)]
    if isinstance(schema, ClassLabels):
        return [Choice(list(schema.names))]
    if isinstance(schema, AttributeLabels):
        return [Switches(list(schema.names))]
    if isinstance(schema, ContinuousLabels):
        return [Span(name, *limits) for name, limits in zip(schema.names, schema.ranges, strict=True)]
    return []


def label_of(schema: LabelSchema, values: Sequence[object]) -> Tensor:
    """Makes a label of the values of all controls.

    Args:
        schema: of the label space.
        values: of `controls_of(schema)`, in that order.

    Returns:
        (1,) int64 for classes, else (1, W), in the form of the space.

    Raises:
        UserError: at the first value that its control cannot have.
    """
    controls = controls_of(schema)
    if len(values) != len(controls):
        raise UserError(f"label: found {len(values)} values; expected {len(controls)}, one for each control.")
    row = [number for control, value in zip(controls, values, strict=True) for number in control.numbers(value)]
    label = np.array(row if schema.width is None else [row], dtype=schema.dtype).reshape(
        (1,) if schema.width is None else (1, schema.width)
    )
    schema.check(label, "label")
    return torch.from_numpy(label)


def values_of(schema: LabelSchema, label: Tensor) -> list[object]:
    """The values of `controls_of(schema)` that make a label, (1,) or (1, W): the inverse of `label_of`."""
    numbers, values = label.flatten().tolist(), list[object]()
    for control in controls_of(schema):
        if isinstance(control, Choice):
            values.append(control.names[int(numbers.pop(0))])
        elif isinstance(control, Switches):
            values.append([name for name in control.names if numbers.pop(0)])
        else:
            values.append(min(max(numbers.pop(0), control.low), control.high))
    return values


def number_within(name: str, value: object, low: float, high: float, whole: bool = False) -> float:
    """Holds a number of a request against its bounds; a widget's own are not to be relied on.

    Raises:
        UserError: if it is no number, outside, or, where `whole`, not whole.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (whole and value != int(value)):  # type: ignore[operator,call-overload]
        kind = "a whole number" if whole else "a number"
        raise UserError(f"{name}: found {value!r}; expected {kind} from {low:g} to {high:g}.")
    return value  # type: ignore[return-value]
