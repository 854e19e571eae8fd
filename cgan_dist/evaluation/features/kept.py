"""Real images' features, kept on disk."""

from __future__ import annotations

from pathlib import Path

from cgan_dist.evaluation.kept_file import KeptFile
from cgan_dist.evaluation.metrics.base import Features

FORMAT = "cgan_dist features 1"
"""A change of what goes into the extractors, such as the resizing, needs another number."""


class KeptFeatures:
    """One file of features, named by everything that they depend on.

    Args:
        folder: where it lies, if that can be written.
        data: fingerprint of the images, and of which of them.
        extractor: name.
        weights: sha256 of the extractor's.
        count: of images.
    """

    def __init__(self, folder: Path, data: str, extractor: str, weights: str, count: int) -> None:
        facts = {"format": FORMAT, "data": data, "extractor": extractor, "weights": weights, "count": str(count)}
        self.file = KeptFile(folder, "features", facts, "the real images' features")
        self.path = self.file.path

    def load(self) -> Features | None:
        """Returns them, or None where there are none, or not those that this user made."""
        tensors = self.file.load()
        return Features(**tensors) if tensors is not None else None

    def save(self, features: Features) -> None:
        """Writes them, whole or not at all."""
        self.file.save(features._asdict())
