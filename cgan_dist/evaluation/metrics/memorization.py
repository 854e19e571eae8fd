"""Metric `memorization`: whether fakes lie nearer to the training images than unseen real images do."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cgan_dist.config.values import Share
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.evaluation.metrics.classifier import split
from cgan_dist.evaluation.metrics.nearest import nearest

AT_LEAST = 20
"""Held-out real images: of fewer, the lowest hundredth has no meaning at all."""


class Memorization(Metric):
    """Compares distances to the nearest of the training images: those of fakes, and those of held-out real images.

    The comparison of Meehan et al. 2020 (arXiv:2004.05675, sec. 3.1) without cells. The held-out tenth is the one that
    no classifier of the real set trains on, the others are the training images. A fake that copies a held-out image
    passes for a new one, so that of copies of the whole set nine tenths are noticed.

    Args:
        features: name of an extractor.
        near: share of the held-out real images that counts as suspiciously near; what a fair generator scores.
    """

    exact = True

    def __init__(self, features: str = "classifier", near: Share = 0.01) -> None:
        self.extractors = [features]
        self.near = near

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives the share of fakes that are suspiciously near, and how their distances compare.

        Returns:
            `memorization`: share in 0..1 of fakes nearer to a training image than all but the nearest hundredth of the
            held-out real images; about 0.01 is fair. `/z`: the rank sum test of all distances in standard deviations;
            below -3 fakes are too near, far above 0 they are far from the real images. `/median_ratio`: median distance
            of fakes over that of held-out real images.

        Raises:
            UserError: if there are too few real images.
        """
        embedding = real.features[self.extractors[0]].embedding
        train, test = split(len(embedding))
        if len(test) < AT_LEAST:
            raise UserError(
                f"memorization: found {len(embedding)} real images, {len(test)} of them held out; expected {AT_LEAST} "
                "or more held out, a tenth of the set. Compare with more: --split all, or a higher --real-count."
            )
        base = embedding[train]
        own, drawn = (
            nearest(to, base, device=real.device)[0][:, 0]
            for to in (embedding[test], fakes.features[self.extractors[0]].embedding)
        )
        median = own.median().item()
        return {
            "memorization": (drawn < own.quantile(self.near)).double().mean().item(),
            "memorization/z": rank_sum(drawn, own),
            "memorization/median_ratio": drawn.median().item() / median if median else math.nan,
        }


def rank_sum(values: Tensor, others: Tensor) -> float:
    """How far `values` (N,) lie above `others` (M,), in standard deviations of the Mann-Whitney statistic.

    The number of pairs in which the value is the larger, ties counting half, less its mean N M / 2, over its standard
    deviation without ties, sqrt(N M (N + M + 1) / 12) (Mann and Whitney 1947).
    """
    ordered = others.sort().values
    above = torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)
    pairs = len(values) * len(others)
    deviation = math.sqrt(pairs * (len(values) + len(others) + 1) / 12)
    return (above.sum().item() / 2 - pairs / 2) / deviation
