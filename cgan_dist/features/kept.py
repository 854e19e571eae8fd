"""Real images' features, kept on disk: safetensors that say what they are of, and are verified when they are read."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cgan_dist.features.classifier import sha256_of
from cgan_dist.metrics.base import Features

FORMAT = "cgan_dist features 1"
"""A change of what goes into the extractors, such as the resizing, needs another number."""

logger = logging.getLogger(__name__)


class KeptFeatures:
    """One file of features, named by everything that they depend on.

    Args:
        folder: where it lies; if that cannot be written, nothing is kept.
        data: fingerprint of the images, and of which of them.
        extractor: name.
        weights: sha256 of the extractor's.
        count: of images.
    """

    def __init__(self, folder: Path, data: str, extractor: str, weights: str, count: int) -> None:
        self.facts = {"format": FORMAT, "data": data, "extractor": extractor, "weights": weights, "count": str(count)}
        name = hashlib.sha256(repr(sorted(self.facts.items())).encode()).hexdigest()[:16]
        self.path = folder / f"features-{name}.safetensors"

    def load(self) -> Features | None:
        """Returns them, or null where there are none, or they are damaged or of something else."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in Features._fields}
        except (SafetensorError, OSError) as error:
            logger.warning("%s: unusable (%s); extracting the real images' features anew.", self.path, error)
            return None
        if facts != self.facts | {"sha256": sha256_of(tensors)}:
            logger.warning("%s: not what was written; extracting the real images' features anew.", self.path)
            return None
        return Features(**tensors)

    def save(self, features: Features) -> None:
        """Writes them, whole or not at all."""
        tensors = {name: tensor.contiguous() for name, tensor in features._asdict().items()}
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial, metadata=self.facts | {"sha256": sha256_of(tensors)})
            partial.replace(self.path)
        except (OSError, SafetensorError) as error:
            logger.warning("%s: cannot keep features (%s); they will be extracted again next time.", self.path, error)
            with contextlib.suppress(OSError):
                partial.unlink()
