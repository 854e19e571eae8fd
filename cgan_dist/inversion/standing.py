"""What a search has of its pictures so far: of each several labels, of each label several starts."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.inversion.candidates import without_values


class Standing(NamedTuple):
    """P pictures, of each K labels, of each S starts, all on the CPU.

    Attributes:
        labels: (P, K, S) or (P, K, S, W); they differ between starts where real values were moved.
        z: (P, K, S, Z).
        pixels: (P, K, S), the distance there.
        features: likewise.
        whole: likewise.
        curve: (P, K, S, T): the best until then.
        cost: (P, K): what is added to the distance where labels are compared.
    """

    labels: Tensor
    z: Tensor
    pixels: Tensor
    features: Tensor
    whole: Tensor
    curve: Tensor
    cost: Tensor

    @property
    def scores(self) -> Tensor:
        """(P, K), low for the label that explains a picture best."""
        return self.whole.amin(2) + self.cost

    def kept(self, order: Tensor) -> Standing:
        """(P, k), numbers of labels -> those alone."""
        pictures = torch.arange(len(order))[:, None]
        return Standing(*(part[pictures, order] for part in self))

    def ranked(self) -> Tensor:
        """(P, K): numbers of labels, the best first."""
        return self.scores.sort(dim=1, stable=True).indices

    def ranked_once(self, space: LabelSpace) -> Tensor:
        """The same with labels that are there twice, but for real values, at the end."""
        plain = without_values(self.labels[:, :, 0].flatten(0, 1), space).unflatten(0, self.labels.shape[:2])
        pairs = plain[:, :, None] == plain[:, None]
        same = pairs.reshape(*pairs.shape[:3], -1).all(3)
        place = self.ranked().argsort(1)
        repeated = (same & (place[:, None, :] < place[:, :, None])).any(2)
        return self.scores.masked_fill(repeated, torch.inf).sort(dim=1, stable=True).indices
