"""Label space `none`: no condition at all, whatever the data has."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.errors import UserError
from cgan_dist.labels import LabelSchema, NoLabels

COLUMNS = 8
"""Of a grid: every column is as good as any other."""


class Unlabelled:
    """Nothing; a label is (0,) uint8 and its condition has length 0.

    Args:
        schema: the data's labels, of any kind; they are ignored.
    """

    schema: NoLabels

    def __init__(self, schema: LabelSchema) -> None:
        self.schema = NoLabels()
        self.layout = Layout()

    def select(self, stored: Tensor) -> Tensor:
        """(B, ...) -> (B, 0) uint8."""
        return torch.empty(len(stored), 0, dtype=torch.uint8, device=stored.device)

    def encode(self, labels: Tensor) -> Condition:
        """(B, 0) -> a condition of length 0."""
        return Condition.of_values(labels.float())

    def parse(self, text: str) -> Tensor:
        """Reads `any` or nothing: one label."""
        if text.strip() not in ("", "any"):
            raise UserError(
                f"labels '{text}': conditioning.labels is none, so there is nothing to ask for; leave it out, or give "
                "'any'."
            )
        return torch.empty(1, 0, dtype=torch.uint8)

    def grid(self, count: int) -> Tensor:
        """At most 8 columns, all of them unlabelled."""
        return torch.empty(min(count, COLUMNS), 0, dtype=torch.uint8)

    def describe(self, labels: Tensor) -> list[str]:
        """Blank names."""
        return [""] * len(labels)
