"""Which of the data's labels a space takes, and how it gets them out of what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.constant import Constant
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, ProductLabels, placed_parts

WHERE = "conditioning.labels"
NEEDED = {ClassLabels: "class", AttributeLabels: "attribute", ContinuousLabels: "continuous"}
SHOWN = 20
Kind = TypeVar("Kind", ClassLabels, AttributeLabels, ContinuousLabels)


def parts_of(schema: LabelSchema, kind: type[Kind], space: str) -> list[tuple[Kind, int]]:
    """Finds the data's labels of one kind: the whole, or parts of a product.

    Args:
        schema: of the data.
        kind: class of a schema.
        space: name of the label space, for the error.

    Returns:
        Each part and its first column.

    Raises:
        UserError: if there are none.
    """
    found = [(part, start) for part, start in placed_parts(schema) if isinstance(part, kind)]
    if not found:
        parts = schema.parts if isinstance(schema, ProductLabels) else []
        held = f"'{schema.kind}'" + (f" of {' and '.join(part.kind for part in parts)}" if parts else "")
        raise UserError(f"{WHERE}: '{space}' needs {NEEDED[kind]} labels, the data has {held}.")
    return found


def subset(names: list[str] | None, known: Sequence[str]) -> list[str]:
    """The user's choice of names, or all where there is none.

    Raises:
        UserError: if it is empty, or a name is unknown or there twice.
    """
    if names is None:
        return list(known)
    if not names:
        raise UserError(f"{WHERE}.args.names: an empty list; name one or more, or leave it out to take all.")
    for place, name in enumerate(names):
        if name not in known:
            raise UserError(
                f"{WHERE}.args.names: the data has no '{name}'.{close_match(name, known)} It has {listed(known)}."
            )
        if name in names[:place]:
            raise UserError(f"{WHERE}.args.names: '{name}' is there twice; name each once.")
    return names


def listed(names: Sequence[str]) -> str:
    """The first names, for an error."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


class Columns:
    """Some columns of stored labels (B, W), in an order of their own.

    Args:
        numbers: of the columns.
        dtype: that they are brought to.
    """

    def __init__(self, numbers: Iterable[int], dtype: torch.dtype) -> None:
        chosen = list(numbers)
        self.slice = slice(chosen[0], chosen[-1] + 1)
        self.numbers = None if chosen == list(range(chosen[0], chosen[-1] + 1)) else Constant(chosen, torch.int64)
        self.dtype = dtype

    def of(self, stored: Tensor) -> Tensor:
        """(B, W) -> (B, columns)."""
        if self.numbers is None:
            return stored[:, self.slice].to(self.dtype)
        return stored.index_select(1, self.numbers.on(stored.device)).to(self.dtype)
