"""Label space `classes`: one of N named classes."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.spaces.stored import WHERE, listed, parts_of
from cgan_dist.conditioning.spaces.words import NUMBER, cut, typed_name, unquoted
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import ClassLabels, LabelSchema

logger = logging.getLogger(__name__)


class Classes:
    """N classes; a label is an int64 in 0..N-1 and its condition the one-hot vector of length N.

    Args:
        schema: the data's labels; at least two classes.
        group: which, from 0, where the data is a product with several groups of classes.

    Raises:
        UserError: if the data has no class labels, or too few classes.
    """

    schema: ClassLabels

    def __init__(self, schema: LabelSchema, group: int | None = None) -> None:
        parts = parts_of(schema, ClassLabels, "classes")
        if (group is None and len(parts) > 1) or not 0 <= (group or 0) < len(parts):
            found = "null" if group is None else group
            raise UserError(
                f"{WHERE}.args.group: found {found}, but the data has {len(parts)} group(s) of classes; expected the "
                f"number of one, 0 to {len(parts) - 1}."
            )
        self.schema, self.column = parts[group or 0]
        count = len(self.schema.names)
        if count < 2:
            raise UserError(f"{WHERE}: 'classes' needs at least 2 classes, the data has {count}.")
        self.layout = Layout(classes=(count,))
        self.number_of = {name: number for number, name in enumerate(self.schema.names)}
        self._has_warned = False

    def select(self, stored: Tensor) -> Tensor:
        """(B,), or (B, W) of a product -> (B,) int64."""
        return stored if stored.ndim == 1 else stored[:, self.column].to(torch.int64)

    def encode(self, labels: Tensor) -> Condition:
        """(B,) int64 -> a condition of one one-hot group."""
        return Condition.of_classes(labels)

    def parse(self, text: str) -> Tensor:
        """Reads `0,2,sneaker`: numbers or names, separated by commas.

        A number is the class's number, counted from 0, whatever the classes are called; a name that is a number is
        typed in quotes, `"12","3"`. Where the two differ, a warning says so once.
        """
        labels = [self._parse_one(word, text) for word, _ in cut(text, ",") if word]
        if not labels:
            first = typed_name(self.schema.names[0])
            raise UserError(f"labels '{text}': expected class numbers or names, e.g. 0,1,2 or {first}.")
        return torch.tensor(labels)

    def grid(self, count: int) -> Tensor:
        """The first `count` classes."""
        return torch.arange(min(count, len(self.number_of)))

    def describe(self, labels: Tensor) -> list[str]:
        """The classes' names."""
        return [self.schema.names[number] for number in labels.tolist()]

    def _parse_one(self, word: str, text: str) -> int:
        if NUMBER.fullmatch(word):
            return self._numbered(word, text)
        names, name = self.schema.names, unquoted(word)
        if name not in self.number_of:
            raise UserError(f"label '{word}': no such class.{close_match(name, names)} Classes: {listed(names)}.")
        return self.number_of[name]

    def _numbered(self, word: str, text: str) -> int:
        number, names = int(word), self.schema.names
        named = f"The class named {word} is typed in quotes: --labels '{typed_name(word)}'."
        if not 0 <= number < len(names):
            advice = f" {named}" if word in self.number_of else ""
            raise UserError(
                f"labels '{text}': label {number} is outside 0..{len(names) - 1} (the data has {len(names)} classes)."
                f"{advice}"
            )
        if self.number_of.get(word, number) != number and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "labels '%s': %s is class number %s, counted from 0, which is named '%s'. %s",
                text, word, number, names[number], named,
            )  # fmt: skip
        return number
