"""Metrics `fid`, `frechet_distance` and `intra_fid`: distances between normal distributions fitted to features."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.base import CPU, ImageSet, Metric, RealSet, check_one_group
from cgan_dist.evaluation.metrics.distances import ROWS

AT_LEAST = 2
FEW = 300
"""Below this a figure says little, however few the features; so it does where they are more than the images."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moments:
    """Mean (F,) and covariance (F, F) of features, float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor, device: torch.device = CPU) -> Moments:
        """Those of (N, F), N >= 2, a few rows at a time; on the device. The covariance divides by N - 1."""
        width = features.shape[1]
        mean = torch.zeros(width, dtype=torch.float64, device=device)
        for rows in features.split(ROWS):
            mean += rows.to(device, torch.float64).sum(0) / len(features)
        scatter = torch.zeros(width, width, dtype=torch.float64, device=device)
        for rows in features.split(ROWS):
            centred = rows.to(device, torch.float64) - mean
            scatter.addmm_(centred.T, centred)
        return cls(mean, scatter / (len(features) - 1))

    @cached_property
    def root(self) -> Tensor:
        """(F, F), the root of the covariance that is symmetric and not negative."""
        values, vectors = torch.linalg.eigh(self.covariance)
        return (vectors * values.clamp(min=0).sqrt()) @ vectors.T  # type: ignore[no-any-return]


def frechet_distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Heusel et al. 2017, arXiv:1706.08500, eq. 6).

    S1 S2 has the eigenvalues of the symmetric R S1 R with R the root of S2, which are real and not negative; so its
    root's trace is the sum of theirs, and no complex rest has to be thrown away. The root is kept with `other`.
    """
    product = other.root @ one.covariance @ other.root
    trace = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    total = one.covariance.trace() + other.covariance.trace() - 2 * trace
    return float((one.mean - other.mean).square().sum() + total)


class FrechetDistance(Metric):
    """The distance of all fakes from all real images, on features of the classifier of the real images.

    Args:
        features: name of an extractor.
    """

    name = "frechet_distance"
    exact = True

    def __init__(self, features: str = "classifier") -> None:
        self.extractors = [features]
        self._counts = _Counts()
        self._real: tuple[Tensor, Moments, float] | None = None

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives the distance, and as `/real_halves` that of one half of the real images from the other as a scale.

        Raises:
            UserError: if there are too few images to have a covariance.
        """
        known, embedding = (own.features[self.extractors[0]].embedding for own in (real, fakes))
        self._counts.check(self.name, known, embedding)
        moments, between_halves = self._of_real(known, real.device)
        return {
            self.name: frechet_distance(Moments.of(embedding, real.device), moments),
            f"{self.name}/real_halves": between_halves,
        }

    def _of_real(self, embedding: Tensor, device: torch.device) -> tuple[Moments, float]:
        """Computed once for the same features: they stay the same through a training."""
        if self._real is None or self._real[0] is not embedding:
            halves = frechet_distance(*(Moments.of(embedding[first::2], device) for first in (0, 1)))
            self._real = embedding, Moments.of(embedding, device), halves
        return self._real[1:]


class Fid(FrechetDistance):
    """The same on Inception's features: the Fréchet Inception Distance."""

    name = "fid"

    def __init__(self, features: str = "inception") -> None:
        super().__init__(features)


class IntraFid(Metric):
    """The distance within each class, and its mean over classes (Miyato and Koyama 2018, arXiv:1802.05637, sec. 6).

    Fakes are asked for in turns, so each class has as many.

    Args:
        features: name of an extractor.
    """

    name = "intra_fid"
    exact = True
    asks = "fair"

    def __init__(self, features: str = "inception") -> None:
        self.extractors = [features]
        self._counts = _Counts()

    def check(self, label_space: LabelSpace, where: str) -> None:
        """Raises UserError if there is not one group of classes."""
        check_one_group(label_space, where, self.name, "fid")

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives the mean, and `/class_K` for each class of up to 100.

        Raises:
            UserError: naming the class that has too few images.
        """
        found = dict(self._distances(real, fakes))
        mean = {self.name: sum(found.values()) / len(found)}
        return mean | ({} if len(found) > self.MAX_LISTED else found)

    def _distances(self, real: RealSet, fakes: ImageSet) -> Iterator[tuple[str, float]]:
        classes = [real.label_space.encode(own.labels).ones[:, 0] for own in (real, fakes)]
        embeddings = [own.features[self.extractors[0]].embedding for own in (real, fakes)]
        for number in classes[0].unique().tolist():
            name = f"{self.name}/class_{number}"
            parts = [values[own == number] for values, own in zip(embeddings, classes, strict=True)]
            self._counts.check(name, *parts)
            real_part, fake_part = (Moments.of(part, real.device) for part in parts)
            yield name, frechet_distance(real_part, fake_part)


class _Counts:
    """Refuses counts that give no figure, and says once which give one that means little."""

    def __init__(self) -> None:
        self._has_warned = False

    def check(self, name: str, real: Tensor, fakes: Tensor) -> None:
        """Looks at features (N, F) of both sets."""
        if len(real) < 2 * AT_LEAST:
            raise UserError(f"{name}: found {len(real)} real images; expected {2 * AT_LEAST} or more.")
        if len(fakes) < AT_LEAST:
            raise UserError(
                f"{name}: found {len(fakes)} sample(s); expected {AT_LEAST} or more, and some thousands for a figure "
                "that means something. Raise --count, or evaluate.count."
            )
        width = real.shape[1]
        if min(len(real), len(fakes)) >= max(width, FEW) or self._has_warned:
            return
        self._has_warned = True
        logger.warning(
            "%s: of %s samples and %s real images, for %s features. From fewer than %s of each it is far above that of "
            "many, and comparable only with figures of as many. Raise --count (evaluate.count) to some thousands, take "
            "more real images if there are, or kid, whose mean does not depend on how many.",
            name,
            len(fakes),
            len(real),
            width,
            max(width, FEW),
        )
