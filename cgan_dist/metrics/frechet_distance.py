"""Metrics `fid`, `frechet_distance` and `intra_fid`: distances between normal distributions fitted to features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.metrics.base import ImageSet, Metric, RealSet

AT_LEAST = 2


class Moments(NamedTuple):
    """Mean (F,) and covariance (F, F) of features, float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Those of (N, F), N >= 2; the covariance divides by N - 1."""
        values = features.double()
        mean = values.mean(0)
        return cls(mean, (values - mean).T @ (values - mean) / (len(values) - 1))


def frechet_distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Heusel et al. 2017, arXiv:1706.08500, eq. 6).

    S1 S2 has the eigenvalues of the symmetric R S2 R with R the root of S1, which are real and not negative; so its
    root's trace is the sum of theirs, and no complex rest has to be thrown away.
    """
    values, vectors = torch.linalg.eigh(one.covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = root @ other.covariance @ root
    trace = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    total = one.covariance.trace() + other.covariance.trace() - 2 * trace
    return float((one.mean - other.mean).square().sum() + total)


class FrechetDistance(Metric):
    """The distance of all fakes from all real images, on features of the classifier of the real images.

    Args:
        features: name of an extractor.
    """

    name = "frechet_distance"

    def __init__(self, features: str = "classifier") -> None:
        self.extractors = [features]
        self._real: tuple[Tensor, Moments, float] | None = None

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives the distance, and as `/real_halves` that of one half of the real images from the other as a scale.

        Raises:
            UserError: if there are too few images to have a covariance.
        """
        embedding = fakes.features[self.extractors[0]].embedding
        _check_counts(self.name, len(real.labels), len(embedding))
        moments, between_halves = self._of_real(real.features[self.extractors[0]].embedding)
        return {
            self.name: frechet_distance(Moments.of(embedding), moments),
            f"{self.name}/real_halves": between_halves,
        }

    def _of_real(self, embedding: Tensor) -> tuple[Moments, float]:
        """Computed once for the same features: they stay the same through a training."""
        if self._real is None or self._real[0] is not embedding:
            halves = frechet_distance(Moments.of(embedding[0::2]), Moments.of(embedding[1::2]))
            self._real = embedding, Moments.of(embedding), halves
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
    asks = "fair"

    def __init__(self, features: str = "inception") -> None:
        self.extractors = [features]

    def check(self, label_space: LabelSpace, where: str) -> None:
        """Raises UserError if there is not one group of classes."""
        if len(label_space.layout.classes) != 1:
            raise UserError(
                f"{where}: {self.name} needs one class for each image, the label space has "
                f"{len(label_space.layout.classes)} groups of classes. Take fid instead."
            )

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
            _check_counts(name, *map(len, parts))
            yield name, frechet_distance(*map(Moments.of, parts))


def _check_counts(name: str, real: int, fakes: int) -> None:
    if real < 2 * AT_LEAST:
        raise UserError(f"{name}: found {real} real images; expected {2 * AT_LEAST} or more.")
    if fakes < AT_LEAST:
        raise UserError(
            f"{name}: found {fakes} sample(s); expected {AT_LEAST} or more, and some thousands for a figure that means "
            "something. Raise --count, or evaluate.count."
        )
