"""Sets of images as metrics see them, from features that a test makes up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.evaluation.metrics.base import Features, ImageSet, RealSet
from cgan_dist.labels import ClassLabels

TWO = Classes(ClassLabels(names=["one", "two"]))


def no_pixels() -> Tensor:
    raise AssertionError("a metric of features looked at pixels")


def normal(count: int, width: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) * scale + shift


def features_of(embedding: Tensor, logits: Tensor | None = None) -> Features:
    return Features(embedding, torch.empty(len(embedding), 0) if logits is None else logits)


def fake_set(name: str, embedding: Tensor, labels: Tensor | None = None, logits: Tensor | None = None) -> ImageSet:
    given = torch.zeros(len(embedding), dtype=torch.int64) if labels is None else labels
    return ImageSet(labels=given, features={name: features_of(embedding, logits)}, load=no_pixels)


def real_set(
    name: str,
    embedding: Tensor,
    labels: Tensor | None = None,
    space: LabelSpace = TWO,
    extractors: dict[str, Any] | None = None,
) -> RealSet:
    given = torch.zeros(len(embedding), dtype=torch.int64) if labels is None else labels
    return RealSet(
        labels=given,
        features={name: features_of(embedding)},
        load=no_pixels,
        label_space=space,
        cache=Path("nowhere"),
        fingerprint="print",
        extractors=extractors or {},
    )
