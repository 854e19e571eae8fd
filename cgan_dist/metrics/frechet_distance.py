"""Metric `frechet_distance`: how far fakes are from real images, in the features of a classifier of these images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgan_dist.metrics.classifier import load_or_train

MAX_REAL = 10_000


class FrechetDistance:
    """Fréchet distance between normal distributions fitted to features (Heusel et al. 2017, arXiv:1706.08500, eq. 6).

    The features are the last ones of the classifier that `label_accuracy` uses, not Inception's: values compare with
    each other on one data set, and with the distance between two halves of the real set, which is reported beside.

    Args:
        real_images: (N, C, H, W) uint8; the first 10,000 are looked at.
        real_labels: (N,) int64.
        num_classes: N.
        cache: folder for the trained classifier.
        fingerprint: of the manifest.
    """

    def __init__(
        self, real_images: Tensor, real_labels: Tensor, num_classes: int, cache: Path, fingerprint: str
    ) -> None:
        self.classifier = load_or_train(
            real_images, real_labels, num_classes, cache / "classifier.safetensors", fingerprint
        )
        real = self._features(real_images[:MAX_REAL])
        self.real = _moments(real)
        self.between_halves = _distance(_moments(real[0::2]), _moments(real[1::2]))

    def score(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """(N, C, H, W) uint8 fakes -> `frechet_distance`, and `frechet_distance/real_halves` as the scale."""
        return {
            "frechet_distance": _distance(_moments(self._features(images)), self.real),
            "frechet_distance/real_halves": self.between_halves,
        }

    @torch.no_grad()
    def _features(self, images: Tensor) -> NDArray[np.float64]:
        self.classifier.eval()
        parts = [self.classifier.features(part.float() / 127.5 - 1) for part in images.split(512)]
        return torch.cat(parts).double().numpy()


Moments = tuple[NDArray[np.float64], NDArray[np.float64]]


def _moments(features: NDArray[np.float64]) -> Moments:
    return features.mean(0), np.cov(features, rowvar=False)


def _distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)); the root's trace is that of the eigenvalues' roots, all >= 0."""
    (mean_1, cov_1), (mean_2, cov_2) = one, other
    eigenvalues = np.linalg.eigvals(cov_1 @ cov_2).real.clip(min=0)
    return float(((mean_1 - mean_2) ** 2).sum() + np.trace(cov_1 + cov_2) - 2 * np.sqrt(eigenvalues).sum())
