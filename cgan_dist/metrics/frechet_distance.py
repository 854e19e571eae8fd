"""Metric `frechet_distance`: how far fakes are from real images, in the features of a classifier of these images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.metrics.classifier import check_readable, load_or_train

MAX_REAL = 10_000
AT_LEAST = 2


class FrechetDistance:
    """Fréchet distance between normal distributions fitted to features (Heusel et al. 2017, arXiv:1706.08500, eq. 6).

    The features are the last ones of the classifier that `label_accuracy` uses, not Inception's: values compare with
    each other on one data set, and with the distance between two halves of the real set, which is reported beside.

    Args:
        real_images: (N, C, H, W) uint8; at most 10,000 are looked at.
        real_labels: of the space.
        label_space: what the classifier learned to read.
        cache: folder for the trained classifier.
        fingerprint: of the manifest.

    Raises:
        UserError: if there are no labels to learn features from, or too few images.
    """

    def __init__(
        self, real_images: Tensor, real_labels: Tensor, label_space: LabelSpace, cache: Path, fingerprint: str
    ) -> None:
        self.check(label_space, "metrics")
        self.classifier = load_or_train(real_images, real_labels, label_space, cache, fingerprint)
        if len(real_images) < 2 * AT_LEAST:
            raise UserError(f"frechet_distance: found {len(real_images)} real images; expected {2 * AT_LEAST} or more.")
        real = self._features(real_images[:MAX_REAL])
        self.real = _moments(real)
        self.between_halves = _distance(_moments(real[0::2]), _moments(real[1::2]))

    @staticmethod
    def check(label_space: LabelSpace, where: str) -> None:
        """Raises UserError, beginning with `where`, if there are no labels."""
        check_readable(label_space, f"{where}: frechet_distance")

    def score(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """(N, C, H, W) uint8 fakes -> `frechet_distance`, and `frechet_distance/real_halves` as the scale.

        Raises:
            UserError: if there are too few to have a covariance.
        """
        if len(images) < AT_LEAST:
            raise UserError(
                f"frechet_distance: found {len(images)} sample; expected {AT_LEAST} or more, and some thousands for a "
                "figure that means something. Raise --count, or evaluate.count."
            )
        return {
            "frechet_distance": _distance(_moments(self._features(images)), self.real),
            "frechet_distance/real_halves": self.between_halves,
        }

    def _features(self, images: Tensor) -> NDArray[np.float64]:
        return self.classifier.embedded(images).double().numpy()


Moments = tuple[NDArray[np.float64], NDArray[np.float64]]


def _moments(features: NDArray[np.float64]) -> Moments:
    return features.mean(0), np.cov(features, rowvar=False)


def _distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)); the root's trace is that of the eigenvalues' roots, all >= 0."""
    (mean_1, cov_1), (mean_2, cov_2) = one, other
    eigenvalues = np.linalg.eigvals(cov_1 @ cov_2).real.clip(min=0)
    return float(((mean_1 - mean_2) ** 2).sum() + np.trace(cov_1 + cov_2) - 2 * np.sqrt(eigenvalues).sum())
