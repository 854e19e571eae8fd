"""Which labels are tried for a picture whose label is not known: those that the data has, the likely ones first."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.evaluation.metrics.classifier import Classifier
from cgan_dist.inversion.descent import value_columns
from cgan_dist.inversion.distance import Distance, on
from cgan_dist.randomness import draw_latent, torch_generator

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


def likely_labels(distance: Distance, images: Tensor, most: int, classifier: Classifier | None) -> Tensor:
    """Chooses what is tried for each picture.

    Args:
        distance: to the pictures.
        images: (P, C, H, W) uint8.
        most: K; with no more different labels than that, all of them are tried.
        classifier: of the real images, by whose reading labels are ranked; without one it is by the distance to the
            nearest of four samples of each, which are the same for all pictures.

    Returns:
        (P, K) or (P, K, W), on the CPU.
    """
    labels = discrete_labels(distance)
    if len(labels) <= most:
        return labels.expand(len(images), *labels.shape)
    scores = _read(distance, images, labels, classifier) if classifier is not None else _held(distance, images, labels)
    return labels[scores.sort(dim=1, stable=True).indices[:, :most]]


def flipped(labels: Tensor, space: LabelSpace) -> Tensor:
    """(P, W) -> (P, A, W): each label with one of its A attributes changed; A may be 0."""
    columns = bit_columns(space)
    found = labels[:, None].repeat(1, len(columns), 1)
    for place, column in enumerate(columns):
        found[:, place, column] = 1 - found[:, place, column]
    return found


def bit_columns(space: LabelSpace) -> list[int]:
    """Where attributes lie in a label, in the order of the condition's bits."""
    schema = space.schema
    if schema.kind == "attributes":
        return list(range(len(schema.names)))
    if schema.kind != "product":
        return []
    both = zip(schema.parts, schema.columns, strict=True)
    return [n for part, columns in both if part.kind == "attributes" for n in range(columns.start, columns.stop)]


@torch.no_grad()
def _read(distance: Distance, images: Tensor, labels: Tensor, classifier: Classifier) -> Tensor:
    """(P, L), low for what the classifier reads: the negative logarithm of its probability."""
    layout = distance.sampler.label_space.layout
    condition = distance.sampler.label_space.encode(labels)
    reading = classifier.eval()(images.to(classifier.device)).cpu().float()
    scores, first = torch.zeros(len(images), len(labels)), 0
    for group, size in enumerate(layout.classes):
        likely = F.log_softmax(reading[:, first : first + size], dim=1)
        scores -= likely[:, condition.ones[:, group] - first]
        first += size
    bits = reading[:, first : first + layout.bits]
    wanted = condition.values[:, : layout.bits]
    return scores - F.logsigmoid(bits) @ wanted.T - F.logsigmoid(-bits) @ (1 - wanted).T


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
