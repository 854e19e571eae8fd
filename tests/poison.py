"""Losses that are not finite, or crash, at chosen updates of D, to see what a run does about it.

The environment variable POISON is `first-last`: the calls, counted in this process from 1, that are struck.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor

from cgan_dist.losses.adversarial import NonSaturating, Terms


class Poisoned(NonSaturating):
    """The original's loss, poisoned."""

    def __init__(self) -> None:
        self.first, self.last = map(int, os.environ["POISON"].split("-"))
        self.calls = 0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """NaN at the chosen calls."""
        self.calls += 1
        loss, terms = super().discriminator(real_logits, fake_logits)
        poison = torch.nan if self.first <= self.calls <= self.last else 1.0
        return loss * poison, {name: term * poison for name, term in terms.items()}


class Crashing(Poisoned):
    """The original's loss, with a defect."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """Raises at the chosen calls."""
        if self.first <= self.calls + 1 <= self.last:
            raise RuntimeError("a defect")
        return super().discriminator(real_logits, fake_logits)
