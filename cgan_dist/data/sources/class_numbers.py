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
    images: NDArray[np.uint8], labels: NDArray[Any], class_names: list[str] | None, description: str
) -> Source:
    """Makes a source of images in memory whose labels are the numbers of classes.

    Args:
        images: (N, H, W, C) uint8.
        labels: (N,) of any integer type.
        class_names: one for each label from 0 on; without them the numbers are the names.
        description: where they come from.

    Raises:
        UserError: if counts, labels and names do not match.
    """
    if len(images) != len(labels):
        raise UserError(f"{description}: {len(images)} images but {len(labels)} labels.")
    if not len(labels):
        raise UserError(f"{description}: no images.")
    if class_names is None:
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0 or highest >= MAX_UNNAMED_CLASSES:
            found = lowest if lowest < 0 else highest
            raise UserError(f"{description}: label {found}; expected the number of a class, 0, 1, 2 and so on.")
        class_names = [str(number) for number in range(highest + 1)]
    elif not class_names or (repeated := first_repeated(class_names)) is not None:
        found_names = f"'{repeated}' twice" if class_names else "none"
        raise UserError(f"{description}: class_names: {found_names}; expected a different name for each label.")
    schema = ClassLabels(names=class_names)
    return Source(labels=labels.astype(np.int64), schema=schema, read=InMemory(images), description=description)
