"""Metric `label_accuracy`: how well an independent classifier reads the label that was asked for."""

from __future__ import annotations

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.evaluation.metrics.accuracies import accuracies, by_class, errors
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.evaluation.metrics.comparison import Comparison, compare


class LabelAccuracy(Metric):
    """Holds what the classifier of the real images reads in fakes against the labels that were asked for.

    The classifier learns from real images alone. Beside each score is what it reads in real images that it did not
    train on: what a perfect generator could be expected to score.
    """

    asks = "fair"
    extractors = ("classifier",)
    needs_real = False

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives accuracies and errors in 0..1.

        Returns:
            For classes `label_accuracy` and `label_accuracy/class_K` for each class asked for, of up to 100; for
            attributes `label_accuracy/NAME` and their mean `label_accuracy`; for values `label_error/NAME`, the mean
            |read - asked| as a share of the range, and their mean `label_error`. A product has all of these: there
            `label_accuracy` is the mean of `label_accuracy/classes` and `label_accuracy/attributes`, and class K
            counts through all groups of classes. `real_held_out` is put in front of NAME, or at the end, for what the
            classifier reads in real images it did not train on.
        """
        space = real.label_space
        layout, condition = space.layout, space.encode(fakes.labels)
        found = compare(fakes.features["classifier"].logits, condition, layout)
        parts = real.extractors["classifier"].held_out.split([len(layout.classes), layout.bits, layout.reals])
        return (
            _named(found.means(), "", space)
            | by_class(found, condition, layout.one_hot, "label_accuracy", self.MAX_LISTED)
            | _named(Comparison(*parts), "/real_held_out", space)
        )


def _named(means: Comparison, place: str, space: LabelSpace) -> dict[str, float]:
    return accuracies(means, f"label_accuracy{place}", space) | errors(means, f"label_error{place}", space)
