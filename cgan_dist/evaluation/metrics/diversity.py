"""Metric `diversity`: how varied fakes of one class are, beside the real images of that class."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet, check_one_group
from cgan_dist.randomness import torch_generator

AT_LEAST = 3
MAX_PAIRED = 1_000
"""Images of a class whose pairs are looked at; of more, so many at random: 4 MB of distances."""
NEAR_PAIRS = 1e-3
SEED = 0


class OfClass(NamedTuple):
    """Figures of one class: variance over the real images', and share of near pairs."""

    ratio: float
    near_pairs: float


class Diversity(Metric):
    """Variance of features within each class, as a share of the real images' own; and pairs that are nearly the same.

    A pair of fakes of a class is near if it is closer than the nearest thousandth of pairs of real images of the class.
    Two of few samples being the same betrays how few different images there are (Arora et al. 2018, arXiv:1706.08224).

    Args:
        features: name of an extractor.
    """

    asks = "fair"
    exact = True

    def __init__(self, features: str = "classifier") -> None:
        self.extractors = [features]

    def check(self, label_space: LabelSpace, where: str) -> None:
        """Raises UserError if there is not one group of classes."""
        check_one_group(label_space, where, "diversity", "recall and coverage")

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives ratios and a share.

        Returns:
            `diversity`: the mean over classes of the ratio of variances, 1 where fakes vary as real images do, 0 where
            a class has one image; `/worst` and `/worst_class`, the lowest ratio and the number of its class;
            `/near_pairs`: mean over classes of the share of near pairs, 0.001 in real images; `/class_K`, the ratio of
            each of up to 100 classes.

        Raises:
            UserError: naming the class that has too few images.
        """
        found = self._by_class(real, fakes)
        worst = min(found, key=lambda number: found[number].ratio)
        ratios, shares = zip(*found.values(), strict=True)
        scores = {
            "diversity": sum(ratios) / len(found),
            "diversity/worst": found[worst].ratio,
            "diversity/worst_class": float(worst),
            "diversity/near_pairs": sum(shares) / len(found),
        }
        each = {f"diversity/class_{number}": of.ratio for number, of in found.items()}
        return scores | ({} if len(found) > self.MAX_LISTED else each)

    def _by_class(self, real: RealSet, fakes: ImageSet) -> dict[int, OfClass]:
        classes = [real.label_space.encode(own.labels).ones[:, 0] for own in (real, fakes)]
        embeddings = [own.features[self.extractors[0]].embedding for own in (real, fakes)]
        found = {}
        for number in classes[0].unique().tolist():
            true, fake = (
                values[own == number].to(real.device, torch.float64)
                for values, own in zip(embeddings, classes, strict=True)
            )
            if min(len(true), len(fake)) < AT_LEAST:
                raise UserError(
                    f"diversity: found {len(true)} real images and {len(fake)} sample(s) of class {number}; expected "
                    f"{AT_LEAST} or more of each. Raise --count, or evaluate.count."
                )
            if not (of_real := variance(true)):
                raise UserError(
                    f"diversity: all {len(true)} real images of class {number} have the same features, so there is "
                    "nothing to compare with. Take other features: diversity@inception."
                )
            found[number] = OfClass((variance(fake) / of_real).item(), near_pairs(true, fake))
        return found


def variance(values: Tensor) -> Tensor:
    """Trace of the covariance of (N, F)."""
    return values.var(0).sum()


def near_pairs(real: Tensor, fakes: Tensor) -> float:
    """Share of pairs of `fakes` (N, F) that are no further apart than the nearest thousandth of pairs of `real`."""
    of_real, of_fakes = (torch.pdist(_some(values)) for values in (real, fakes))
    nearest = of_real.kthvalue(max(1, round(NEAR_PAIRS * len(of_real)))).values
    return (of_fakes <= nearest).double().mean().item()


def _some(values: Tensor) -> Tensor:
    order = torch.randperm(len(values), generator=torch_generator(SEED, "paired images"))[:MAX_PAIRED]
    return values[order.to(values.device)]
