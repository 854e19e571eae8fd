"""The contact sheet: labelled images on one picture, so that a person sees at once whether the labels are right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cgan_dist.data.shards import ShardSet
from cgan_dist.grid import draw_grid
from cgan_dist.labels import (
    AttributeLabels,
    ClassLabels,
    ContinuousLabels,
    Labels,
    LabelSchema,
    ProductLabels,
    distinct,
)
from cgan_dist.randomness import numpy_generator

MAX_COLUMNS = 16
ROWS = 8
PARTS = 4

Wanted = dict[str, Callable[[Labels], NDArray[np.bool_]]]


def contact_sheet(shards: ShardSet) -> Image.Image:
    """Draws a column for each class, for each attribute without and with it, or for each part of a range."""
    wanted = columns_of(shards.manifest.labels)
    cells = shards.examples(list(wanted.values()), ROWS, numpy_generator(shards.manifest.seed, "contact sheet"))
    return draw_grid(cells, list(wanted))


def columns_of(schema: LabelSchema, count: int = MAX_COLUMNS) -> Wanted:
    """Returns at most `count` columns of a sheet: a name, and which of the labels given belong under it.

    A product has those of its first part, then those of the next.
    """
    wanted: Wanted = {}
    if isinstance(schema, ClassLabels):
        wanted = {name: partial(_equal, value=number) for number, name in enumerate(schema.names[:count])}
    elif isinstance(schema, AttributeLabels):
        for column, name in enumerate(schema.names):
            wanted |= {
                f"no {name}": partial(_within, column=column, low=0, high=1),
                name: partial(_within, column=column, low=1, high=np.inf),
            }
    elif isinstance(schema, ContinuousLabels):
        for column, (name, (low, high)) in enumerate(zip(schema.names, schema.ranges, strict=True)):
            edges = np.linspace(low, high, PARTS + 1)[:-1].tolist()
            bounds = [-np.inf, *edges[1:], np.inf]  # a float32 may lie a little outside the stated range
            for text, left, right in zip(distinct(edges, digits=3), bounds, bounds[1:], strict=False):
                wanted[f"{name} {text}"] = partial(_within, column=column, low=left, high=right)
    elif isinstance(schema, ProductLabels):
        for number, part in enumerate(schema.parts):
            of_part = columns_of(part, count).items()
            wanted |= {name: partial(_of_part, schema=schema, number=number, fits=fits) for name, fits in of_part}
    else:
        wanted = {" " * number: _any for number in range(ROWS)}
    return dict(list(wanted.items())[:count])


def _equal(labels: Labels, value: int) -> NDArray[np.bool_]:
    return np.equal(labels, value)


def _within(labels: Labels, column: int, low: float, high: float) -> NDArray[np.bool_]:
    return (labels[:, column] >= low) & (labels[:, column] < high)


def _of_part(
    labels: Labels, schema: ProductLabels, number: int, fits: Callable[[Labels], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    return fits(schema.split(labels)[number])


def _any(labels: Labels) -> NDArray[np.bool_]:
    return np.ones(len(labels), dtype=bool)
