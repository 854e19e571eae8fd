"""How many images of each class a stream takes in one cycle, as `data.balance` asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.shards import ShardSet
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import ClassLabels, Labels, LabelSchema, ProductLabels, parts_of_schema

KEY = "data.balance"
POWERS = {"sqrt": -0.5, "uniform": -1.0}
"""Weight of an image is the size of its class to this power."""
SHORTEST = 16
"""A cycle has at least this part of the set, so that opening a shard is spread over some images."""
PRECISE = 16
"""Images that a class should have in a cycle, for its share to be the asked one to a few percent."""
NAMES_SHOWN = 20

Asked = Literal["none", "sqrt", "uniform"] | Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Quotas by class.

    Attributes:
        names: of the C classes.
        classes: of each shard, the (N,) class numbers of its images, in the smallest type.
        counts: (C,) int64, images that there are.
        quotas: (C,) int64, images in one cycle of a stream.
    """

    names: list[str]
    classes: list[Labels]
    counts: NDArray[np.int64]
    quotas: NDArray[np.int64]

    @classmethod
    def of(cls, asked: Asked, shards: ShardSet) -> Balance | None:
        """Reads the labels of the whole set and works out the quotas; null for `none`, which reads nothing.

        Args:
            asked: `sqrt` weighs an image by the size of its class to the power of -1/2 (repeat-factor sampling of
                Gupta et al. 2019, arXiv:1908.03195, whose factor is sqrt(t / f), without its threshold t), `uniform`
                to the power of -1; or a weight by class, 1 for those that are left out. An image of weight 2 is seen
                twice as often as one of weight 1.
            shards: the set.

        Raises:
            UserError: if the labels have no classes, the weights are of none of them, or a label cannot be read.
        """
        if asked == "none":
            return None
        part, column = _group(asked, shards.manifest.labels)
        smallest = np.min_scalar_type(len(part.names) - 1)
        stored = (shards.labels_of(index) for index in range(len(shards.manifest.shards)))
        classes = [(own if column is None else own[:, column]).astype(smallest) for own in stored]
        counts = np.sum([np.bincount(own, minlength=len(part.names)) for own in classes], axis=0)
        quotas = _quotas(counts, _weights(asked, part, counts))
        return cls(names=part.names, classes=classes, counts=counts, quotas=quotas)

    @property
    def length(self) -> int:
        """Images in one cycle of a stream."""
        return int(self.quotas.sum())

    @property
    def shares(self) -> NDArray[np.float64]:
        """(C,), the part of what is seen that each class is: exact in every cycle."""
        return self.quotas / self.length

    def describe(self, most: int) -> str:
        """`cat 50.0 % (of the data 2.0 %), ...`: the first classes, for a person."""
        of_data = self.counts / self.counts.sum()
        told = [
            f"{name} {100 * share:.1f} % (of the data {100 * before:.1f} %)"
            for name, share, before in zip(self.names[:most], self.shares, of_data, strict=False)
        ]
        return ", ".join(told) + (", ..." if len(self.names) > most else "")


def class_groups(schema: LabelSchema) -> list[tuple[ClassLabels, int | None]]:
    """Returns each group of classes, and its column in a label of a product."""
    if isinstance(schema, ProductLabels):
        parts = zip(schema.parts, schema.columns, strict=True)
        return [(part, columns.start) for part, columns in parts if isinstance(part, ClassLabels)]
    return [(schema, None)] if isinstance(schema, ClassLabels) else []


def _group(asked: Asked, schema: LabelSchema) -> tuple[ClassLabels, int | None]:
    """The only group of classes, or the one that the weights name."""
    groups = class_groups(schema)
    if not groups:
        kinds = [part.kind for part in parts_of_schema(schema)]
        raise UserError(
            f"{KEY}: images are weighed by class, but the labels are {' and '.join(kinds)}. Leave it out, or prepare "
            "the data with a class beside them for what is to be evened out (docs/data.md#unequal-classes)."
        )
    fitting = groups
    if not isinstance(asked, str):
        names = [name for part, _ in groups for name in part.names]
        for name in asked:
            if name not in names:
                known = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
                raise UserError(f"{KEY}.{name}: no such class.{close_match(name, names)} Classes: {known}.")
        fitting = [group for group in groups if not asked.keys().isdisjoint(group[0].names)]
    if len(fitting) > 1:
        examples = " or ".join(f"{{{part.names[0]}: 2}}" for part, _ in groups)
        raise UserError(
            f"{KEY}: found {asked!r}, but the data has {len(groups)} groups of classes; expected weights by the names "
            f"of one of them, e.g. {examples}."
        )
    return fitting[0]


def _weights(asked: Asked, part: ClassLabels, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C,), of one image of each class."""
    if isinstance(asked, str):
        return np.maximum(counts, 1) ** POWERS[asked]
    for name, count in zip(part.names, counts, strict=True):
        if name in asked and not count:
            raise UserError(f"{KEY}.{name}: the data has no image of this class. Leave it out.")
    return np.array([asked.get(name, 1.0) for name in part.names])


def _quotas(counts: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """In proportion to counts x weights, rounded.

    A cycle is as short as lets the image with the greatest weight be seen once, because what repeats inside a cycle
    repeats while one shard is open; but no shorter than SHORTEST says, and, where that does not make it longer than
    the set, long enough for PRECISE.
    """
    there = counts > 0
    wanted = counts * weights / weights[there].max()
    precise = min(PRECISE / wanted[there].min(), counts.sum() / wanted.sum())
    wanted *= max(1.0, precise, counts.sum() / SHORTEST / wanted.sum())
    return np.where(there, np.maximum(np.rint(wanted), 1), 0).astype(np.int64)
