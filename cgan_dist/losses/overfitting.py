"""How well D knows the pictures it trains on, by what it says of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Overfitting:
    """r = E[sign(D(x) - c)] at training pictures as D is shown them: r_t of Karras et al. 2020, arXiv:2006.06676.

    0 where D cannot tell them from generated ones, 1 where it is never mistaken about them. c is where D's decision
    lies: 0 for the paper's loss. Losses on differences of logits say nothing about c, because adding a number to all
    logits changes nothing. There it is the middle between the means of D at reals and at fakes in the global batch,
    which a shift moves along, and which is the best c for logits of either kind that differ in their mean alone; so r
    and its target mean the same under every loss.

    Args:
        threshold: c; None for the middle.

    Attributes:
        latest: r of the last update, a scalar on the device, the same on every rank; None before the first.
    """

    def __init__(self, threshold: float | None) -> None:
        self.threshold = threshold
        self.latest: Tensor | None = None
        self._logits: list[tuple[Tensor, Tensor]] = []

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Takes note of one micro-batch: (B,) logits each, or (B, L) for L levels apart, in float32 or better."""
        self._logits.append((real_logits.detach(), fake_logits.detach()))

    def finish_update(self, over_ranks: Callable[[Tensor], Tensor]) -> None:
        """Measures what was observed since the last call.

        Args:
            over_ranks: the mean of a small tensor over ranks, on the device.
        """
        real, fake = (torch.cat(logits) for logits in zip(*self._logits, strict=True))
        self._logits = []
        if self.threshold is not None:
            threshold = torch.full_like(real[0], self.threshold)
        else:
            threshold = over_ranks(torch.stack([real.mean(0), fake.mean(0)])).mean(0)
        self.latest = over_ranks(_signs(real - threshold))

    def forget(self) -> None:
        """Drops what was observed since the last update was finished."""
        self._logits = []


def _signs(distances: Tensor) -> Tensor:
    """Their mean; not finite where one of them is not."""
    return (distances.sign() + 0 * distances).mean()
