"""Metric `label_accuracy`: how well an independent classifier reads the label that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.labels import AttributeLabels, ContinuousLabels, LabelSchema, ProductLabels
from cgan_dist.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.metrics.comparison import Comparison, compare


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
            | _by_class(found, condition, layout.one_hot, self.MAX_LISTED)
            | _named(Comparison(*parts), "/real_held_out", space)
        )


def _named(means: Comparison, place: str, space: LabelSpace) -> dict[str, float]:
    bits = _names(space.schema, AttributeLabels, space.layout.bits)
    reals = _names(space.schema, ContinuousLabels, space.layout.reals)
    accuracy, error = f"label_accuracy{place}", f"label_error{place}"
    kinds = {"classes": means.classes, "attributes": means.bits}
    totals = {f"{accuracy}/{kind}": part.mean().item() for kind, part in kinds.items() if len(part)}
    scores = {accuracy: sum(totals.values()) / len(totals)} if totals else {}
    if len(totals) > 1:
        scores |= totals
    scores |= {f"{accuracy}/{name}": value for name, value in zip(bits, means.bits.tolist(), strict=True)}
    if len(means.reals):
        scores[error] = means.reals.mean().item()
    return scores | {f"{error}/{name}": value for name, value in zip(reals, means.reals.tolist(), strict=True)}


def _by_class(found: Comparison, condition: Condition, count: int, at_most: int) -> dict[str, float]:
    if count > at_most:
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
