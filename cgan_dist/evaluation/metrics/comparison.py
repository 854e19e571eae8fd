"""How far a reading of images is from the labels that they should have, by kind of label."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout


class Comparison(NamedTuple):
    """One number for each image and each thing that a label says.

    Attributes:
        classes: (B, groups) float64, 1 where the class was read right, else 0.
        bits: (B, bits) float64, likewise.
        reals: (B, reals) float64, |read - asked| as a share of the range, 0..1.
    """

    classes: Tensor
    bits: Tensor
    reals: Tensor

    def means(self) -> Comparison:
        """Over the batch: (groups,), (bits,), (reals,)."""
        return Comparison(*(part.mean(0) for part in self))


def compare(reading: Tensor, condition: Condition, layout: Layout) -> Comparison:
    """Holds a reading against labels.

    Args:
        reading: (B, N), logits of classes and bits, estimates of real values.
        condition: of the labels.
        layout: of both.
    """
    groups, first = [], 0
    for group, size in enumerate(layout.classes):
        groups.append(reading[:, first : first + size].argmax(1) + first == condition.ones[:, group])
        first += size
    bits, reals = reading[:, first:].split([layout.bits, layout.reals], dim=1)
    true_bits, true_reals = condition.values.split([layout.bits, layout.reals], dim=1)
    return Comparison(
        torch.stack(groups, dim=1).double() if groups else torch.empty(len(reading), 0, dtype=torch.float64),
        ((bits > 0) == (true_bits > 0.5)).double(),
        (reals.clamp(-1, 1) - true_reals).abs().double() / 2,
    )
