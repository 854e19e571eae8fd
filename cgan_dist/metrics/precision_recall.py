"""Metrics `precision`, `recall`, `density` and `coverage`: which images of one kind lie among those of the other."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cgan_dist.errors import UserError
from cgan_dist.metrics.base import ImageSet, Metric, RealSet

CHUNK = 1 << 24
"""Distances held at once: 128 MiB of them."""


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

    def __init__(self, features: str = "inception", neighbours: int = 3, coverage_neighbours: int = 5) -> None:
        self.extractors = [features]
        self.neighbours = neighbours
        self.coverage_neighbours = coverage_neighbours

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives all four; density alone can be above 1.

        Raises:
            UserError: if there are too few images to have so many neighbours.
        """
        base, drawn = (own.features[self.extractors[0]].embedding.double() for own in (real, fakes))
        at_least = 1 + max(self.neighbours, self.coverage_neighbours)
        if min(len(base), len(drawn)) < at_least:
            raise UserError(
                f"precision: found {len(base)} real images and {len(drawn)} sample(s); expected {at_least} or more of "
                "each. Raise --count, or evaluate.count."
            )
        of_base = radii(base, self.neighbours, self.coverage_neighbours)
        (of_drawn,) = radii(drawn, self.neighbours)
        precise, within = 0, 0
        recalled = covered = torch.zeros(len(base), dtype=torch.bool)
        for rows, distances in squared_distances(drawn, base):
            near = distances <= of_base[1]
            precise += int((distances <= of_base[0]).any(1).sum())
            within += int(near.sum())
            covered = covered | near.any(0)
            recalled = recalled | (distances <= of_drawn[rows, None]).any(0)
        return {
            "precision": precise / len(drawn),
            "recall": recalled.double().mean().item(),
            "density": within / (self.coverage_neighbours * len(drawn)),
            "coverage": covered.double().mean().item(),
        }


def radii(values: Tensor, *neighbours: int) -> list[Tensor]:
    """Squared distances (N,) of each of (N, F) from its k-th nearest other, for each k of `neighbours`."""
    nearest = []
    for rows, distances in squared_distances(values, values):
        distances[torch.arange(len(rows)), rows] = torch.inf
        nearest.append(distances.topk(max(neighbours), largest=False).values)
    found = torch.cat(nearest)
    return [found[:, k - 1] for k in neighbours]


def squared_distances(queries: Tensor, base: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """(N, F), (M, F) -> numbers (n,) of some queries, and (n, M), until all were there; float64 keeps them exact."""
    lengths = base.square().sum(1)
    for rows in torch.arange(len(queries)).split(max(1, CHUNK // len(base))):
        own = queries[rows]
        yield rows, (own.square().sum(1, keepdim=True) + lengths - 2 * own @ base.T).clamp(min=0)
