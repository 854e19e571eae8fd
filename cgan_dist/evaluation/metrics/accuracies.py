"""Accuracies and errors by the names of what was read: one for each kind of label, attribute, value and class."""

from __future__ import annotations

from collections.abc import Sequence

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.evaluation.metrics.comparison import Comparison
from cgan_dist.labels import AttributeLabels, ContinuousLabels, LabelSchema, names_of_kind


def accuracies(means: Comparison, name: str, space: LabelSpace) -> dict[str, float]:
    """Names the means of classes and bits.

    Args:
        means: of a comparison.
        name: of the metric.
        space: of the labels.

    Returns:
        `NAME`, the mean over attributes, or the class's; `NAME/ATTRIBUTE` for each. With both kinds `NAME/classes` and
        `NAME/attributes` too, and `NAME` is their mean. Nothing where there are neither.
    """
    kinds = {"classes": means.classes, "attributes": means.bits}
    totals = {f"{name}/{kind}": part.mean().item() for kind, part in kinds.items() if len(part)}
    scores = {name: sum(totals.values()) / len(totals)} if totals else {}
    if len(totals) > 1:
        scores |= totals
    bits = _names(space.schema, AttributeLabels, space.layout.bits)
    return scores | {f"{name}/{bit}": value for bit, value in zip(bits, means.bits.tolist(), strict=True)}


def errors(means: Comparison, name: str, space: LabelSpace) -> dict[str, float]:
    """Names the means of real values: `NAME`, their mean, and `NAME/VALUE`; nothing where there are none."""
    reals = _names(space.schema, ContinuousLabels, space.layout.reals)
    scores = {name: means.reals.mean().item()} if len(means.reals) else {}
    return scores | {f"{name}/{real}": value for real, value in zip(reals, means.reals.tolist(), strict=True)}


def by_class(found: Comparison, condition: Condition, count: int, name: str, at_most: int) -> dict[str, float]:
    """Gives `NAME/class_K` for each class that was asked for; K counts through all groups of classes.

    Args:
        found: of each image.
        condition: of the labels that it was held against.
        count: of classes in all groups.
        name: of the metric.
        at_most: so many classes are listed; of more, none.
    """
    if count > at_most:
        return {}
    asked, right = condition.ones.flatten(), found.classes.flatten()
    return {f"{name}/class_{number}": right[asked == number].mean().item() for number in asked.unique().tolist()}


def _names(schema: LabelSchema, kind: type[AttributeLabels] | type[ContinuousLabels], count: int) -> Sequence[str]:
    """Of all labels of one kind, in the order of a condition; numbers where a plug-in encodes other than its labels."""
    names = names_of_kind(schema, kind)
    return names if len(names) == count else [str(number) for number in range(count)]
