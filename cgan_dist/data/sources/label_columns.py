"""Labels of all images as sets store them, columns of bits, of real values or of tags, to labels and their schema."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.sources.class_names import in_natural_order
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels

LARGEST = float(np.finfo(np.float32).max)


def bits(values: NDArray[Any], names: list[str] | None, where: str) -> tuple[NDArray[np.uint8], AttributeLabels]:
    """Makes attributes of (N, A) numbers or booleans, each 0 or 1; without names they are numbered.

    Raises:
        UserError: beginning with `where`, at another value.
    """
    for image, column in np.argwhere((values != 0) & (values != 1))[:1]:
        raise UserError(f"{where}: image {image}, column {column} of labels: {values[image, column]}; expected 0 or 1.")
    return values.astype(np.uint8), AttributeLabels(names=names or _numbered("attribute", values))


def reals(values: NDArray[Any], names: list[str] | None, where: str) -> tuple[NDArray[np.float32], ContinuousLabels]:
    """Makes real values of (N, D) numbers, which range from the least to the greatest; without names they are numbered.

    Raises:
        UserError: beginning with `where`, if one is not finite or all of a column are the same.
    """
    names, values = names or _numbered("value", values), values.astype(np.float64)
    for image, column in np.argwhere(~(np.abs(values) <= LARGEST))[:1]:  # ~ also catches nan
        raise UserError(f"{where}: image {image}, {names[column]}: {values[image, column]}; expected a finite number.")
    found = values.astype(np.float32)
    ranges = [(float(column.min()), float(column.max())) for column in found.T]
    for name, (low, high) in zip(names, ranges, strict=True):
        if low == high:
            raise UserError(f"{where}: {name} is {low:g} for every image, which is no range; leave it out.")
    return found, ContinuousLabels(names=names, ranges=ranges)


def named(names: Sequence[str]) -> tuple[NDArray[np.int64], ClassLabels]:
    """Makes classes of the name of each image's; their numbers follow the natural order of the names."""
    ordered = in_natural_order(names)
    number = {name: index for index, name in enumerate(ordered)}
    return np.array([number[name] for name in names], np.int64), ClassLabels(names=ordered)


def tagged(tags: Sequence[Sequence[str]], where: str) -> tuple[NDArray[np.uint8], AttributeLabels]:
    """Makes attributes of the tags of each image, which may be none, in natural order.

    Raises:
        UserError: beginning with `where`, if no image has a tag.
    """
    names = in_natural_order(chain.from_iterable(tags))
    if not names:
        raise UserError(f"{where}: the lists of tags are all empty; expected names of what each picture shows.")
    number = {name: index for index, name in enumerate(names)}
    found = np.zeros((len(tags), len(names)), np.uint8)
    for image, own in enumerate(tags):
        found[image, [number[name] for name in own]] = 1
    return found, AttributeLabels(names=names)


def _numbered(kind: str, values: NDArray[Any]) -> list[str]:
    return [f"{kind}_{column}" for column in range(values.shape[1])]
