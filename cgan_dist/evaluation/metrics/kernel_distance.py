"""Metric `kid`: the kernel distance, whose estimate is unbiased whatever the number of images."""

from __future__ import annotations

import statistics

import torch
from torch import Tensor

from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.randomness import torch_generator

AT_LEAST = 2
ROWS = 256
"""Of a matrix of kernels at once: what a subset needs is bounded, and not all of it is computed."""


class KernelDistance(Metric):
    """Squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018, arXiv:1801.01401, sec. 4).

    The estimate is averaged over random subsets, as is usual; it can be a little below 0 where the sets are alike.

    Args:
        features: name of an extractor.
        subsets: how many are drawn, without replacement within each.
        subset_size: images of each kind in a subset, or all where there are fewer.
    """

    name = "kid"
    exact = True

    def __init__(self, features: str = "inception", subsets: int = 100, subset_size: int = 1000) -> None:
        self.extractors = [features]
        self.subsets = subsets
        self.subset_size = subset_size

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives the mean, and as `/std` how much subsets differ.

        Raises:
            UserError: if there are fewer than 2 images of one kind.
        """
        one, other = (own.features[self.extractors[0]].embedding for own in (real, fakes))
        size = min(self.subset_size, len(one), len(other))
        if size < AT_LEAST:
            raise UserError(
                f"{self.name}: found {len(one)} real images and {len(other)} sample(s), and subset_size "
                f"{self.subset_size}; expected {AT_LEAST} or more of each. Raise --count, or evaluate.count."
            )
        found = []
        for number in range(self.subsets):
            generator = torch_generator(0, "kid", number)
            chosen = [values[torch.randperm(len(values), generator=generator)[:size]] for values in (one, other)]
            found.append(squared_mmd(*(values.to(real.device, torch.float64) for values in chosen)))
        return {self.name: statistics.fmean(found), f"{self.name}/std": statistics.pstdev(found)}


def squared_mmd(one: Tensor, other: Tensor) -> float:
    """Unbiased estimate from (N, F) and (M, F), float64, with the kernel (x y / F + 1)^3."""
    within = sum(_sum_within(own) / (len(own) * (len(own) - 1)) for own in (one, other))
    across = sum(_kernel(rows, other).sum() for rows in one.split(ROWS)) / (len(one) * len(other))
    return float(within - 2 * across)


def _sum_within(values: Tensor) -> Tensor:
    """The kernel's sum over all pairs of different rows, most of which are computed one way round only."""
    total = -_kernel_of_itself(values).sum()
    for first in range(0, len(values), ROWS):
        rows, rest = values[first : first + ROWS], values[first + ROWS :]
        total = total + _kernel(rows, rows).sum() + 2 * _kernel(rows, rest).sum()
    return total


def _kernel(one: Tensor, other: Tensor) -> Tensor:
    return (one @ other.T / one.shape[1] + 1) ** 3


def _kernel_of_itself(values: Tensor) -> Tensor:
    return (values.square().sum(1) / values.shape[1] + 1) ** 3
