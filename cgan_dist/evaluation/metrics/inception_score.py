"""Metrics `inception_score` and `classifier_score`: how sure a classifier is of each image, and how varied over all."""

from __future__ import annotations

import statistics

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet


class InceptionScore(Metric):
    """exp E KL(p(y|x) || p(y)) in equal parts of the fakes (Salimans et al. 2016, arXiv:1606.03498, sec. 4).

    Real images are not looked at, so it says nothing of how alike they are.

    Args:
        features: name of an extractor with logits.
        splits: parts, each with a p(y) of its own.
    """

    name = "inception_score"
    needs_real = False

    def __init__(self, features: str = "inception", splits: int = 10) -> None:
        self.extractors = [features]
        self.splits = splits

    def check(self, label_space: LabelSpace, where: str) -> None:
        """Raises UserError if the logits are of a classifier that reads anything else than one class."""
        layout = label_space.layout
        if self.extractors == ["classifier"] and (len(layout.classes) != 1 or layout.values):
            raise UserError(
                f"{where}: {self.name} on the features of classifier needs one class for each image and no other "
                "labels. Take inception_score, or label_accuracy."
            )

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives the mean over the parts, and as `/std` how much they differ.

        Raises:
            UserError: if there are fewer fakes than parts, or no logits.
        """
        logits = fakes.features[self.extractors[0]].logits
        if not logits.shape[1]:
            raise UserError(
                f"{self.name}: the features of {self.extractors[0]} have no logits; take another extractor."
            )
        if len(logits) < self.splits:
            raise UserError(
                f"{self.name}: found {len(logits)} sample(s); expected one or more for each of {self.splits} splits, "
                "and 50,000 for figures as in papers. Raise --count, or evaluate.count."
            )
        found = []
        for part in logits.double().tensor_split(self.splits):
            p = part.softmax(1)
            found.append((entropy(p.mean(0)) - entropy(p).mean()).exp().item())
        return {self.name: statistics.fmean(found), f"{self.name}/std": statistics.pstdev(found)}


def entropy(p: Tensor) -> Tensor:
    """(..., K) probabilities -> (...); the mean of KL(p(y|x) || p(y)) is the entropy of the mean less their mean."""
    return torch.special.entr(p).sum(-1)  # type: ignore[no-any-return]


class ClassifierScore(InceptionScore):
    """The same on what the classifier of the real images reads: at most the number of classes."""

    name = "classifier_score"

    def __init__(self, features: str = "classifier", splits: int = 10) -> None:
        super().__init__(features, splits)
