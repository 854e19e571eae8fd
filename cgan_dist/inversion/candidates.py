"""Which labels are tried for a picture whose label is not known: those that the data has, the likely ones first."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.inversion.descent import value_columns
from cgan_dist.inversion.distance import Distance, on
from cgan_dist.labels import AttributeLabels, placed_parts
from cgan_dist.randomness import draw_latent, torch_generator

LEAST = 10.0
"""The least that a logarithm of a probability counts for: a classifier is not as sure as it says."""
SAMPLES = 4
"""Of each label, by which labels are ranked where no classifier is there."""


def discrete_labels(distance: Distance) -> Tensor:
    """(L,) or (L, W): the different labels of the data, with real values in the middle of their ranges."""
    sampler = distance.sampler
    labels = without_values(sampler.distribution.rows, sampler.label_space)
    if labels.ndim > 1 and not labels.shape[1]:  # torch.unique refuses these
        return labels[:1]
    return torch.unique(labels, dim=0)  # type: ignore[no-any-return]


def without_values(labels: Tensor, space: LabelSpace) -> Tensor:
    """(L,) or (L, W): the same labels with real values in the middle of their ranges."""
    plain = labels.clone()
    for column, low, high in value_columns(space):
        plain[:, column] = (low + high) / 2
    return plain


def likely_labels(distance: Distance, images: Tensor, most: int, reading: Tensor | None) -> Tensor:
    """Chooses what is tried for each picture.

    Args:
        distance: to the pictures.
        images: (P, C, H, W) uint8.
        most: K; with no more different labels than that, all of them are tried.
        reading: (P, N) of the classifier, by which labels are ranked; null ranks them by the distance to the nearest of
            four samples of each, which are the same for all pictures.

    Returns:
        (P, K) or (P, K, W), on the CPU.
    """
    labels = discrete_labels(distance)
    if len(labels) <= most:
        return labels.expand(len(images), *labels.shape)
    if reading is None:
        scores = _held(distance, images, labels)
    else:
        every = labels.expand(len(images), *labels.shape)
        scores = torch.cat(
            [unlikely(reading[[n]], every[[n]], distance.sampler.label_space) for n in range(len(images))]
        )
    return labels[scores.sort(dim=1, stable=True).indices[:, :most]]


def unlikely(reading: Tensor, labels: Tensor, space: LabelSpace) -> Tensor:
    """How far labels are from a reading: the negative logarithm of their probability, real values left out.

    Args:
        reading: (P, N).
        labels: (P, K) or (P, K, W).
        space: of the labels.

    Returns:
        (P, K); no class and no attribute counts more than 10, which is one in 22,000.
    """
    layout, count = space.layout, labels.shape[1]
    condition = space.encode(labels.flatten(0, 1))
    cost, first = torch.zeros(labels.shape[:2]), 0
    for group, size in enumerate(layout.classes):
        likely = F.log_softmax(reading[:, first : first + size], dim=1)
        cost -= likely.gather(1, condition.ones[:, group].unflatten(0, (-1, count)) - first).clamp_min(-LEAST)
        first += size
    bits = reading[:, None, first : first + layout.bits]
    wanted = condition.values[:, : layout.bits].unflatten(0, (-1, count)) > 0.5
    return cost - F.logsigmoid(torch.where(wanted, bits, -bits)).clamp_min(-LEAST).sum(2)


def flipped(labels: Tensor, space: LabelSpace) -> Tensor:
    """(P, W) -> (P, A, W): each label with one of its A attributes changed; A may be 0."""
    columns = bit_columns(space)
    found = labels[:, None].repeat(1, len(columns), 1)
    for place, column in enumerate(columns):
        found[:, place, column] = 1 - found[:, place, column]
    return found


def bit_columns(space: LabelSpace) -> list[int]:
    """Where attributes lie in a label, in the order of the condition's bits."""
    attributes = [(part, first) for part, first in placed_parts(space.schema) if isinstance(part, AttributeLabels)]
    return [first + number for part, first in attributes for number in range(len(part.names))]


@torch.no_grad()
def _held(distance: Distance, images: Tensor, labels: Tensor) -> Tensor:
    """(P, L): the distance in pixels to the nearest of a few samples of each label."""
    sampler = distance.sampler
    z = draw_latent((SAMPLES, sampler.latent_dim), sampler.latent, torch_generator(sampler.seed, "inversion ranking"))
    pictures = distance.pictures(images).flatten(1)
    at_once = max(1, distance.rows // SAMPLES)
    found = []
    with distance.frozen():
        for own in labels.split(at_once):
            condition = sampler.label_space.encode(own.repeat_interleave(SAMPLES, dim=0))
            made = distance.made(z.repeat(len(own), 1).to(distance.device), on(distance.device, condition))
            gaps = torch.cdist(pictures, made.flatten(1)).unflatten(1, (-1, SAMPLES))
            found.append(gaps.amin(2).cpu())
    return torch.cat(found, dim=1)
