"""What each entry of a condition stands for, so that two label spaces can be compared entry by entry."""

from __future__ import annotations

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, names_of_kind

Kind = type[ClassLabels | AttributeLabels | ContinuousLabels]
ORDER: dict[str, Kind] = {"classes": ClassLabels, "attributes": AttributeLabels, "continuous": ContinuousLabels}
"""Of the entries in a condition: all classes, then all bits, then all reals."""


def entries_of(space: LabelSpace) -> list[tuple[str, str]] | None:
    """Names the entries of a space's conditions.

    Returns:
        Kind and name of each, in the condition's order, e.g. `("classes", "cat")`; None for a space of a user's own
        whose conditions have other entries than its labels have names.
    """
    names = {kind: names_of_kind(space.schema, own) for kind, own in ORDER.items()}
    layout = space.layout
    if [len(own) for own in names.values()] != [layout.one_hot, layout.bits, layout.reals]:
        return None
    return [(kind, name) for kind, own in names.items() for name in own]
