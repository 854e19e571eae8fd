"""Metric `path_length`: how fast features change along ways through z."""

from __future__ import annotations

import math

from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet

STEP = 1e-4
"""As in the paper. Float32 has room for it: on the demo's digits the figure is that of float64 within 0.002 %."""
KEPT = (0.01, 0.99)
"""Of the lengths in their order those outside are left out: a few pairs across an edge would outweigh all others."""


class PathLength(Metric):
    """Mean squared change of features over the squared step, at random places between two z.

    Perceptual path length in Z (Karras et al. 2019, arXiv:1812.04948, section 4.1), with features in the place of their
    distance by VGG. The way is that of `sampling.interpolation`, and the label is held.

    Args:
        features: name of an extractor, which must not round.
        step: share of the way from one z to the other.
    """

    asks = "fair"
    needs_real = False
    exact = True

    def __init__(self, features: str = "classifier", step: float = STEP) -> None:
        self.extractors = [features]
        self.step: float = step

    def check(self, label_space: LabelSpace, where: str) -> None:
        """Raises UserError if the step is none."""
        if not 0 < self.step <= 1:
            raise UserError(f"{where}: path_length: found step {self.step:g}; expected above 0 and at most 1.")

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives the mean of the lengths between the first and the last hundredth of them.

        Returns:
            `path_length`; and `path_length/class_K`, likewise of the lengths of each class asked for, of up to 100. K
            counts through all groups of classes.
        """
        here, ahead = (own[self.extractors[0]].embedding.double() for own in (fakes.features, fakes.ahead))
        lengths = (ahead - here).square().sum(1) / self.step**2
        scores = {"path_length": trimmed_mean(lengths)}
        space = real.label_space
        if space.layout.one_hot > self.MAX_LISTED:
            return scores
        ones = space.encode(fakes.labels).ones
        each = {number: (ones == number).any(1) for number in ones.unique().tolist()}
        return scores | {f"path_length/class_{number}": trimmed_mean(lengths[own]) for number, own in each.items()}


def trimmed_mean(values: Tensor) -> float:
    """Of (N,) without the lowest and the highest hundredth; of few values, of all."""
    low, high = (share * (len(values) - 1) for share in KEPT)
    return values.sort().values[math.floor(low) : math.ceil(high) + 1].mean().item()
