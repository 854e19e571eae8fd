"""A probability that follows how well D knows the pictures it trains on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

STATE = "adaptation"


class Adaptation:
    """The probability p of adaptive augmentation (Karras et al. 2020, arXiv:2006.06676, section 3.1).

    D tells training pictures from generated ones the better the more of them it knows by heart; r is how far it does
    (`losses.overfitting`). Every `interval_images`, p goes up where the mean of r since it last went is above the
    target, and down where it is below, by the share of these images in `adaptation_images`.

    p is on the device, the same on every rank, and never waited for.

    Args:
        target: of r.
        adaptation_images: in so many p may go from 0 to 1.
        interval_images: between two moves; the paper's are four batches of 64 apart.
        limit: of p.
    """

    def __init__(self, target: float, adaptation_images: int, interval_images: int, limit: float) -> None:
        self.target, self.limit = target, limit
        self.adaptation_images, self.interval_images = adaptation_images, interval_images
        self._state = torch.zeros(3)

    @property
    def probability(self) -> Tensor:
        """p, a scalar on the device; what was returned never changes."""
        return self._state[0]

    def follow(self, overfitting: Tensor, images_seen: int, count: int) -> dict[str, Tensor]:
        """Takes note of one update of D and moves p when it is time; every rank calls it with the same.

        Args:
            overfitting: r of the update, a scalar on the device; one that is not finite leaves no trace.
            images_seen: the clock before the update.
            count: size of the global batch.

        Returns:
            Scalars for the log: `augment/p` and `augment/r`.
        """
        p, total, images = self._state.unbind()
        good = overfitting.isfinite()
        total = total + torch.where(good, overfitting, 0) * count
        images = images + good * count
        if (images_seen + count) // self.interval_images > images_seen // self.interval_images:
            direction = (total - self.target * images).sign()
            p = (p + direction * images / self.adaptation_images).clamp(0, self.limit)
            total, images = torch.zeros_like(total), torch.zeros_like(images)
        self._state = torch.stack([p, total, images])
        return {"augment/p": p, "augment/r": overfitting}

    def state(self) -> dict[str, Tensor]:
        """Returns what a checkpoint must hold, (3,): p, the sum of r over the images since p moved, their number."""
        return {STATE: self._state}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Takes back what `state` returned, on the device; what has none begins at 0."""
        self._state = state[STATE].to(device) if STATE in state else torch.zeros(3, device=device)
