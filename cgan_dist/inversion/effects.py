"""What a change of the label changed besides: read by the classifier of the real images, and in distance."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.evaluation.candidates import match_channels
from cgan_dist.evaluation.metrics.classifier import Classifier


class Effect(NamedTuple):
    """Shares, each null where there is nothing to count.

    Attributes:
        asked: of the entries that were to change, those that are read as asked.
        kept: of the attributes and classes that were to stay, those that are read as before.
        moved: mean change of real values that were to stay, as a share of their range.
    """

    asked: float | None
    kept: float | None
    moved: float | None


def effect_of(
    classifier: Classifier, space: LabelSpace, images: tuple[Tensor, Tensor], labels: tuple[Tensor, Tensor]
) -> Effect:
    """Compares images before and after their labels were changed.

    Args:
        classifier: of the real images.
        space: of the labels.
        images: (P, C, H, W) uint8, before and after.
        labels: (P,) or (P, W) of both.
    """
    layout = space.layout
    readings = [_read(classifier, part) for part in images]
    before, after = (space.encode(part) for part in labels)
    asked, kept, first = [], [], 0
    for group, size in enumerate(layout.classes):
        own = slice(first, first + size)
        was, found = (reading[:, own].argmax(1) + first for reading in readings)
        changed = before.ones[:, group] != after.ones[:, group]
        asked.append((found == after.ones[:, group])[changed])
        kept.append((found == was)[~changed])
        first += size
    bits = slice(first, first + layout.bits)
    was, found = (reading[:, bits] > 0 for reading in readings)
    wanted = after.values[:, : layout.bits] > 0.5
    changed = wanted != (before.values[:, : layout.bits] > 0.5)
    asked.append((found == wanted)[changed])
    kept.append((found == was)[~changed])
    reals = slice(bits.stop, bits.stop + layout.reals)
    gaps = (readings[1][:, reals] - readings[0][:, reals]).abs() / 2
    still = before.values[:, layout.bits :] == after.values[:, layout.bits :]
    return Effect(_share(torch.cat(asked)), _share(torch.cat(kept)), _share(gaps[still]))


def _read(classifier: Classifier, images: Tensor) -> Tensor:
    """(P, C, H, W) uint8 -> (P, N) on the CPU."""
    channels = classifier.features[0].in_channels
    assert isinstance(channels, int)
    return classifier.read(match_channels(images, channels))


def _share(found: Tensor) -> float | None:
    return found.double().mean().item() if found.numel() else None
