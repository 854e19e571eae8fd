"""Label space `classes`: one of N named classes."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import ClassLabels, LabelSchema


class Classes:
    """N classes; a label is an int64 in 0..N-1 and its condition is that index, read as a one-hot vector.

    Args:
        schema: the data's labels; at least two classes.

    Raises:
        UserError: if the data has other labels.
    """

    def __init__(self, schema: LabelSchema) -> None:
        if not isinstance(schema, ClassLabels):
            raise UserError(f"conditioning.labels: 'classes' needs class labels, the data has '{schema.kind}'.")
        if len(schema.names) < 2:
            raise UserError(
                f"conditioning.labels: 'classes' needs at least 2 classes, the data has {len(schema.names)}."
            )
        self.names = tuple(schema.names)
        self.width = len(schema.names)

    def check(self, labels: Tensor, where: str) -> None:
        """Raises UserError if a label is not an integer in 0..N-1; see `LabelSpace.check`."""
        if labels.dtype != torch.int64 or labels.ndim != 1:
            raise UserError(f"{where}: expected (B,) int64 class labels, found {tuple(labels.shape)} {labels.dtype}.")
        outside = labels[(labels < 0) | (labels >= self.width)]
        if len(outside):
            raise UserError(
                f"{where}: label {int(outside[0])} is outside 0..{self.width - 1} (the data has {self.width} classes)."
            )

    def encode(self, labels: Tensor) -> Tensor:
        """(B,) int64 -> (B,) int64: the index is the condition."""
        return labels

    def parse(self, text: str) -> Tensor:
        """Reads `0,2,sneaker`: numbers or names, separated by commas."""
        labels = torch.tensor(
            [self._parse_one(word.strip()) for word in text.split(",") if word.strip()], dtype=torch.int64
        )
        if not len(labels):
            raise UserError(f"labels '{text}': expected class numbers or names, e.g. 0,1,2 or {self.names[0]}.")
        self.check(labels, f"labels '{text}'")
        return labels

    def grid(self, count: int) -> Tensor:
        """The first `count` classes."""
        return torch.arange(min(count, self.width))

    def _parse_one(self, word: str) -> int:
        if word in self.names:
            return self.names.index(word)
        if word.lstrip("-").isdigit():
            return int(word)
        shown = ", ".join(self.names[:20]) + (", ..." if self.width > 20 else "")
        raise UserError(f"label '{word}': no such class.{close_match(word, self.names)} Classes: {shown}.")
