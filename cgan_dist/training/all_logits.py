"""The logits of G's whole global batch, for a loss that only the best of it count in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor

Look = Callable[[], tuple[Tensor | None, Tensor]]
"""A pass whose graph nobody wants: (B,) logits of reals, where the loss pairs them, and of fakes."""


class AllLogits:
    """Puts the logits of one pass among those of the global batch, as `losses.top_k.AmongAll` says.

    Args:
        accelerator: of this process.
        first: row of the global batch at which the pass begins.
        known: (GB,) logits without a graph, by `real` and `fake`; none where a pass is a rank's whole share, so that
            the ranks can tell each other what they have.
    """

    def __init__(self, accelerator: Accelerator, first: int, known: Mapping[str, Tensor]) -> None:
        self.accelerator, self.first, self.known = accelerator, first, known

    def __call__(self, own: Tensor, of: str) -> Tensor:
        """(B,) of the pass -> (GB,); every rank must call it."""
        known = self.known[of] if self.known else _gathered(self.accelerator, own)
        return torch.cat([known[: self.first], own, known[self.first + len(own) :]])


def all_logits(accelerator: Accelerator, share: int, looks: Sequence[Look]) -> list[AllLogits]:
    """One `AllLogits` for each pass of an update of G; every rank must call it.

    Of several passes the first has to know what the last will find, so all are looked at beforehand.

    Args:
        accelerator: of this process.
        share: rows of the global batch that this rank has.
        looks: one for each pass, in the order of their rows.
    """
    known: dict[str, Tensor] = {}
    if len(looks) > 1:
        with torch.no_grad():
            reals, fakes = zip(*(look() for look in looks), strict=True)
        parts = {"fake": fakes} if reals[0] is None else {"fake": fakes, "real": reals}
        known = {of: _gathered(accelerator, torch.cat(logits)) for of, logits in parts.items()}
    first, count = accelerator.process_index * share, share // len(looks)
    return [AllLogits(accelerator, first + number * count, known) for number in range(len(looks))]


def _gathered(accelerator: Accelerator, own: Tensor) -> Tensor:
    """(S,) of each rank -> (R * S,) in the order of ranks, without a graph."""
    return cast(Tensor, accelerator.gather(own.detach().contiguous()))
