"""Metric `label_accuracy`: how often an independent classifier reads the label that was asked for."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from cgan_dist.metrics.classifier import load_or_train


class LabelAccuracy:
    """Trains (or loads) the classifier when built; it never sees a generated image before scoring.

    Args:
        real_images: (N, C, H, W) uint8.
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
        self.num_classes = num_classes

    def score(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """(N, C, H, W) uint8 fakes and the labels they were made for -> accuracies in 0..1.

        Returns:
            `label_accuracy` over all, `label_accuracy/class_K` for each class asked for, and
            `label_accuracy/real_held_out`, the classifier's own on real images it did not train on.
        """
        right = (self.classifier.predict(images) == labels).double()
        scores = {"label_accuracy": right.mean().item()}
        for label in labels.unique().tolist():
            scores[f"label_accuracy/class_{label}"] = right[labels == label].mean().item()
        return scores | {"label_accuracy/real_held_out": float(self.classifier.held_out_accuracy)}


def match_channels(images: Tensor, channels: int) -> Tensor:
    """Brings (N, C, H, W) uint8 fakes to the real images' channels: repeated grey is averaged back."""
    if images.shape[1] == channels:
        return images
    return images.float().mean(1, keepdim=True).round().to(torch.uint8).expand(-1, channels, -1, -1)
