"""Features `classifier`: those of the small network that learned to read the real images' labels."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from cgan_dist.evaluation.features.base import Extractor
from cgan_dist.evaluation.kept_file import sha256_of
from cgan_dist.evaluation.metrics.base import Features, RealSet
from cgan_dist.evaluation.metrics.classifier import Classifier, check_readable, load_or_train


class ClassifierFeatures(Extractor):
    """The inputs of the last layer of `metrics.classifier.Classifier`, and what it reads.

    They know only what tells the labels of this data apart, so values compare within one data set and not with papers;
    but they need no file and cost little.

    Args:
        label_space: what it learns to read.

    Attributes:
        held_out: as `Classifier.held_out`, on the main process after `prepare`.
    """

    batch = 512
    held_out: Tensor

    def check(self, where: str) -> None:
        """Raises UserError if there are no labels to learn from."""
        check_readable(self.label_space, where)

    def build(self, image_shape: tuple[int, int, int]) -> None:
        """Builds it without weights."""
        channels, height, width = image_shape
        self.network = Classifier(channels, (height, width), self.label_space.layout).float()  # MPS has no float64

    def prepare(self, real: RealSet) -> str:
        """Loads it from the cache, or trains it on 90 % of the real images."""
        device = next(self.network.parameters()).device
        trained = load_or_train(real.images, real.labels, real.label_space, real.cache, real.fingerprint, real.device)
        weights, self.held_out = sha256_of(trained.state_dict()), trained.held_out.cpu().clone()
        self.network = trained.float().to(device)
        return weights

    def extract(self, images: Tensor) -> Features:
        """(B, C, H, W) uint8, or float in 0..255 -> (B, F), and (B, N) as the label space's conditions are laid out."""
        classifier = cast(Classifier, self.network)
        embedding = classifier.embedded(images)
        with torch.no_grad():
            return Features(embedding, classifier.head(embedding))
