"""Images in memory whose labels are the numbers of classes, as most published sets store them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.sources.files import first_repeated
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels

MAX_UNNAMED_CLASSES = 100_000


def numbered(
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    class_names: list[str] | None,
    description: str,
    first_label: int = 0,
) -> Source:
    """Makes a source of images in memory whose labels are the numbers of classes.

    Args:
        images: (N, H, W, C) uint8.
        labels: (N,) of any integer type.
        class_names: one for each label from the first on; without them the numbers are the names.
        description: where they come from.
        first_label: of class number 0.

    Raises:
        UserError: if counts, labels and names do not match.
    """
    if len(images) != len(labels):
        raise UserError(f"{description}: {len(images)} images but {len(labels)} labels.")
    if not len(labels):
        raise UserError(f"{description}: no images.")
    numbers, schema = named_numbers(labels, class_names, description, first_label)
    return Source(labels=numbers, schema=schema, read=InMemory(images), description=description)


def named_numbers(
    labels: NDArray[Any], class_names: list[str] | None, description: str, first_label: int = 0
) -> tuple[NDArray[np.int64], ClassLabels]:
    """Makes labels of the numbers of classes.

    Args:
        labels: (N,) of any integer type, N > 0.
        class_names: one for each label from the first on; without them the numbers are the names.
        description: where they come from.
        first_label: of class number 0.

    Raises:
        UserError: if labels and names do not match.
    """
    lowest, highest = int(labels.min()), int(labels.max())
    if first_label == 0 and lowest == 1 and highest == len(class_names or range(highest)):
        raise UserError(
            f"{description}: the labels are 1 to {highest}, none is 0; class 0 would have no image. Give --option "
            "first_label=1 if they count from 1, else class_names that begin with one for 0."
        )
    if class_names is None:
        if lowest < first_label or highest - first_label >= MAX_UNNAMED_CLASSES:
            found = lowest if lowest < first_label else highest
            counted = ", ".join(str(first_label + number) for number in range(3))
            raise UserError(f"{description}: label {found}; expected the number of a class, {counted} and so on.")
        class_names = [str(number) for number in range(first_label, highest + 1)]
    elif not class_names or (repeated := first_repeated(class_names)) is not None:
        found_names = f"'{repeated}' twice" if class_names else "none"
        raise UserError(f"{description}: class_names: {found_names}; expected a different name for each label.")
    schema = ClassLabels(names=class_names)
    return labels.astype(np.int64) - first_label, schema
