"""Metric `label_accuracy`: how well an independent classifier reads the label that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.labels import AttributeLabels, ContinuousLabels, LabelSchema, ProductLabels
from cgan_dist.metrics.classifier import check_readable, load_or_train
from cgan_dist.metrics.comparison import Comparison

MAX_CLASSES = 100
"""With more classes than this, they are not listed one by one."""


class LabelAccuracy:
    """Trains (or loads) the classifier when built; it never sees a generated image before scoring.

    Args:
        real_images: (N, C, H, W) uint8.
        real_labels: of the space.
        label_space: what is asked for.
        cache: folder for the trained classifier.
        fingerprint: of the manifest.

    Raises:
        UserError: if there are no labels to read.
    """

    def __init__(
        self, real_images: Tensor, real_labels: Tensor, label_space: LabelSpace, cache: Path, fingerprint: str
    ) -> None:
        self.check(label_space, "metrics")
        self.label_space = label_space
        self.classifier = load_or_train(real_images, real_labels, label_space, cache, fingerprint)
        self.bits = _names(label_space.schema, AttributeLabels, label_space.layout.bits)
        self.reals = _names(label_space.schema, ContinuousLabels, label_space.layout.reals)

    @staticmethod
    def check(label_space: LabelSpace, where: str) -> None:
        """Raises UserError, beginning with `where`, if there are no labels."""
        check_readable(label_space, f"{where}: label_accuracy")

    def score(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """(N, C, H, W) uint8 fakes and the labels they were made for -> accuracies and errors in 0..1.

        Returns:
            For classes `label_accuracy` and `label_accuracy/class_K` for each class asked for, of up to 100; for
            attributes `label_accuracy/NAME` and their mean `label_accuracy`; for values `label_error/NAME`, the mean
            |read - asked| as a share of the range, and their mean `label_error`. A product has all of these: there
            `label_accuracy` is the mean of `label_accuracy/classes` and `label_accuracy/attributes`, and class K
            counts through all groups of classes. `real_held_out` is put in front of NAME, or at the end, for what the
            classifier reads in real images it did not train on.
        """
        condition = self.label_space.encode(labels)
        found = self.classifier.compared(images, condition)
        layout = self.classifier.layout
        held_out = self.classifier.held_out.split([len(layout.classes), layout.bits, layout.reals])
        return (
            self._named(found.means(), "")
            | _by_class(found, condition, layout.one_hot)
            | self._named(Comparison(*held_out), "/real_held_out")
        )

    def _named(self, means: Comparison, place: str) -> dict[str, float]:
        accuracy, error = f"label_accuracy{place}", f"label_error{place}"
        kinds = {"classes": means.classes, "attributes": means.bits}
        totals = {f"{accuracy}/{kind}": part.mean().item() for kind, part in kinds.items() if len(part)}
        scores = {accuracy: sum(totals.values()) / len(totals)} if totals else {}
        if len(totals) > 1:
            scores |= totals
        scores |= {f"{accuracy}/{name}": value for name, value in zip(self.bits, means.bits.tolist(), strict=True)}
        if len(means.reals):
            scores[error] = means.reals.mean().item()
        return scores | {f"{error}/{name}": value for name, value in zip(self.reals, means.reals.tolist(), strict=True)}


def match_channels(images: Tensor, channels: int) -> Tensor:
    """Brings (N, C, H, W) uint8 fakes to the real images' channels: repeated grey is averaged back."""
    if images.shape[1] == channels:
        return images
    return images.float().mean(1, keepdim=True).round().to(torch.uint8).expand(-1, channels, -1, -1)


def _by_class(found: Comparison, condition: Condition, count: int) -> dict[str, float]:
    if count > MAX_CLASSES:
        return {}
    asked, right = condition.ones.flatten(), found.classes.flatten()
    return {
        f"label_accuracy/class_{number}": right[asked == number].mean().item() for number in asked.unique().tolist()
    }


def _names(schema: LabelSchema, kind: type[AttributeLabels] | type[ContinuousLabels], count: int) -> Sequence[str]:
    """Of all labels of one kind, in the order of a condition; numbers where a plug-in encodes other than its labels."""
    parts = schema.parts if isinstance(schema, ProductLabels) else [schema]
    names = [name for part in parts if isinstance(part, kind) for name in part.names]
    return names if len(names) == count else [str(number) for number in range(count)]
