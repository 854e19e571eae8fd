"""Metrics `precision`, `recall`, `density` and `coverage`: which images of one kind lie among those of the other."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.base import CPU, ImageSet, Metric, RealSet
from cgan_dist.evaluation.metrics.distances import lowest_of_others, squared_distances


class PrecisionRecall(Metric):
    """Each image stands for the ball around it that reaches its k-th neighbour of its own kind.

    Precision and recall: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1 and 2, with k = 3. Density and coverage:
    Naeem et al. 2020, arXiv:2002.09797, eq. 2 and 3, with k = 5. All four come from the same distances, so each of the
    four names gives all of them.

    Args:
        features: name of an extractor.
        neighbours: k of precision and recall.
        coverage_neighbours: k of density and coverage.
    """

    exact = True

    def __init__(self, features: str = "inception", neighbours: int = 3, coverage_neighbours: int = 5) -> None:
        self.extractors = [features]
        self.neighbours = neighbours
        self.coverage_neighbours = coverage_neighbours

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives all four; density alone can be above 1.

        Raises:
            UserError: if there are too few images to have so many neighbours.
        """
        base, drawn = (own.features[self.extractors[0]].embedding for own in (real, fakes))
        at_least = 1 + max(self.neighbours, self.coverage_neighbours)
        if min(len(base), len(drawn)) < at_least:
            raise UserError(
                f"precision: found {len(base)} real images and {len(drawn)} sample(s); expected {at_least} or more of "
                "each. Raise --count, or evaluate.count."
            )
        device = real.device
        reach, wide_reach = radii(base, self.neighbours, self.coverage_neighbours, device=device)
        (of_drawn,) = radii(drawn, self.neighbours, device=device)
        precise = torch.zeros(len(drawn), dtype=torch.bool, device=device)
        recalled, covered = torch.zeros(2, len(base), dtype=torch.bool, device=device)
        within = torch.zeros((), dtype=torch.int64, device=device)
        for rows, columns, squares in squared_distances(drawn, base, device):
            near = squares <= wide_reach[columns]
            within += near.sum()
            covered[columns] |= near.any(0)
            precise[rows] |= (squares <= reach[columns]).any(1)
            recalled[columns] |= (squares <= of_drawn[rows, None]).any(0)
        return {
            "precision": precise.double().mean().item(),
            "recall": recalled.double().mean().item(),
            "density": within.item() / (self.coverage_neighbours * len(drawn)),
            "coverage": covered.double().mean().item(),
        }


def radii(values: Tensor, *neighbours: int, device: torch.device = CPU) -> list[Tensor]:
    """Squared distances (N,) of each of (N, F) from its k-th nearest other, for each k of `neighbours`."""
    squares = lowest_of_others(values, max(neighbours), device).squares
    return [squares[:, k - 1] for k in neighbours]
