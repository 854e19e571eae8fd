"""Label schemas: what the labels of a data set are, as the manifest states it and every reader checks it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from cgan_dist.errors import UserError, has_control

HISTOGRAM_BINS = 10
MAX_DIGITS = 17
EXACT_IN_FLOAT32 = 1 << 24
Labels = NDArray[Any]


def distinct(values: Sequence[float], digits: int) -> list[str]:
    """Writes increasing numbers with so many significant digits, or as many as it takes to tell them apart."""
    texts = [f"{value:.{digits}g}" for value in values]
    return texts if len(set(texts)) == len(texts) or digits > MAX_DIGITS else distinct(values, digits + 1)


def _plain_and_different(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("expected a different name for each")
    for name in names:
        if has_control(name):
            raise UserError(f"labels: found a control character in the name {name!r}; expected plain text.")
    return names


def _as_lists(ranges: list[tuple[float, float]]) -> list[list[float]]:
    return [list(pair) for pair in ranges]  # as JSON gives them back


Names = Annotated[list[str], Field(min_length=1), AfterValidator(_plain_and_different)]


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    dtype: ClassVar[np.dtype[Any]]
    """How labels are stored."""

    @property
    def width(self) -> int | None:
        """Values per image: labels are (N, width); None where they are (N,)."""
        raise NotImplementedError

    def check(self, labels: Labels, where: str) -> None:
        """Holds stored labels against the schema.

        Raises:
            UserError: beginning with `where`, at the first label of another type, shape or range.
        """
        count = labels.shape[0] if labels.ndim else 0
        expected = (count,) if self.width is None else (count, self.width)
        if labels.shape != expected or labels.dtype != self.dtype:
            raise UserError(f"{where}: labels are {labels.shape} {labels.dtype}, expected {expected} {self.dtype}.")
        self._check_range(labels, where)

    def histogram(self, labels: Labels) -> dict[str, int]:
        """Counts images by what their label says, for a person to look at."""
        raise NotImplementedError

    def _check_range(self, labels: Labels, where: str) -> None:
        raise NotImplementedError


class ClassLabels(_Schema):
    """One of N named classes: (N,) int64, the position of the name.

    Attributes:
        names: of the classes, in the order of their numbers.
    """

    kind: Literal["classes"] = "classes"
    names: Names

    dtype = np.dtype(np.int64)

    @property
    def width(self) -> None:
        """Labels are (N,)."""
        return None

    def histogram(self, labels: Labels) -> dict[str, int]:
        """Images of each class."""
        counts = np.bincount(labels, minlength=len(self.names))
        return {name: int(count) for name, count in zip(self.names, counts, strict=True)}

    def _check_range(self, labels: Labels, where: str) -> None:
        outside = np.flatnonzero(~((labels >= 0) & (labels < len(self.names)) & (labels == np.floor(labels))))
        if len(outside):
            first = int(outside[0])
            raise UserError(f"{where}: image {first} has label {labels[first]}; expected 0..{len(self.names) - 1}.")


class AttributeLabels(_Schema):
    """A independent yes/no attributes: (N, A) uint8, each 0 or 1.

    Attributes:
        names: of the attributes.
    """

    kind: Literal["attributes"] = "attributes"
    names: Names

    dtype = np.dtype(np.uint8)

    @property
    def width(self) -> int:
        """One value per name."""
        return len(self.names)

    def histogram(self, labels: Labels) -> dict[str, int]:
        """Images that have each attribute."""
        return {name: int(count) for name, count in zip(self.names, labels.sum(0, dtype=np.int64), strict=True)}

    def _check_range(self, labels: Labels, where: str) -> None:
        for image, attribute in np.argwhere((labels != 0) & (labels != 1))[:1]:
            raise UserError(
                f"{where}: image {image}, {self.names[attribute]}: {labels[image, attribute]}; expected 0 or 1."
            )


class ContinuousLabels(_Schema):
    """D real values, each within its stated range: (N, D) float32.

    Attributes:
        names: of the values.
        ranges: (low, high) of each.
    """

    kind: Literal["continuous"] = "continuous"
    names: Names
    ranges: Annotated[list[tuple[float, float]], PlainSerializer(_as_lists)]

    dtype = np.dtype(np.float32)

    @property
    def width(self) -> int:
        """One value per name."""
        return len(self.names)

    @model_validator(mode="before")
    @classmethod
    def _pairs(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("ranges"), list):  # JSON has no tuples
            return values | {"ranges": [tuple(pair) if isinstance(pair, list) else pair for pair in values["ranges"]]}
        return values

    @model_validator(mode="after")
    def _one_range_each(self) -> ContinuousLabels:
        if len(self.ranges) != len(self.names) or not all(
            -math.inf < low < high < math.inf for low, high in self.ranges
        ):
            raise ValueError("expected one range [low, high] with low < high for each name")
        return self

    def histogram(self, labels: Labels) -> dict[str, int]:
        """Images in each of ten equal parts of each range."""
        found: dict[str, int] = {}
        for name, (low, high), values in zip(self.names, self.ranges, labels.T, strict=True):
            counts, bounds = np.histogram(values, bins=HISTOGRAM_BINS, range=(low, high))
            edges = distinct(bounds.tolist(), digits=4)
            found |= {
                f"{name} {left}..{right}": int(count)
                for left, right, count in zip(edges, edges[1:], counts, strict=False)
            }
        return found

    def _check_range(self, labels: Labels, where: str) -> None:
        low, high = np.array(self.ranges, np.float32).T
        for image, column in np.argwhere(~((labels >= low) & (labels <= high)))[:1]:  # ~ also catches nan
            raise UserError(
                f"{where}: image {image}, {self.names[column]}: {labels[image, column]}; expected "
                f"{low[column]:g} to {high[column]:g}."
            )


class NoLabels(_Schema):
    """Unlabelled images: (N, 0) uint8."""

    kind: Literal["none"] = "none"

    dtype = np.dtype(np.uint8)

    @property
    def width(self) -> int:
        """Labels are (N, 0)."""
        return 0

    @property
    def names(self) -> Sequence[str]:
        """There are none."""
        return []

    def histogram(self, labels: Labels) -> dict[str, int]:
        """Nothing to count."""
        return {}

    def _check_range(self, labels: Labels, where: str) -> None:
        """Nothing can be outside."""


Part = Annotated[ClassLabels | AttributeLabels | ContinuousLabels, Field(discriminator="kind")]


class ProductLabels(_Schema):
    """Labels of several kinds at once, such as class x attributes: (N, W) float32, the parts' values side by side.

    A class is one value, its number, which float32 holds exactly up to 2^24.

    Attributes:
        parts: the kinds, at least two.
    """

    kind: Literal["product"] = "product"
    parts: Annotated[list[Part], Field(min_length=2)]

    dtype = np.dtype(np.float32)

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> ProductLabels:
        _plain_and_different(self.names)
        if any(part.width is None and len(part.names) > EXACT_IN_FLOAT32 for part in self.parts):
            raise ValueError(f"expected at most {EXACT_IN_FLOAT32:,} classes beside other labels")
        return self

    @property
    def names(self) -> list[str]:
        """Those of all parts."""
        return [name for part in self.parts for name in part.names]

    @property
    def width(self) -> int:
        """One value for a class, and one per name of the others."""
        return self.columns[-1].stop  # type: ignore[no-any-return]

    @property
    def columns(self) -> list[slice]:
        """Where the values of each part lie in a label."""
        ends = accumulate((1 if part.width is None else part.width for part in self.parts), initial=0)
        return [slice(start, stop) for start, stop in pairwise(ends)]

    def join(self, labels: Sequence[Labels]) -> Labels:
        """The labels of each part, in that part's form -> (N, W)."""
        shaped = [own.reshape(len(own), part.width or 1) for own, part in zip(labels, self.parts, strict=True)]
        return np.concatenate(shaped, axis=1, dtype=self.dtype, casting="unsafe")

    def split(self, labels: Labels) -> list[Labels]:
        """(N, W) -> the labels of each part, in that part's form."""
        values = self._values(labels)
        return [own.astype(part.dtype) for own, part in zip(values, self.parts, strict=True)]

    def histogram(self, labels: Labels) -> dict[str, int]:
        """Those of the parts, one after the other."""
        found: dict[str, int] = {}
        for part, own in zip(self.parts, self.split(labels), strict=True):
            found |= part.histogram(own)
        return found

    def _check_range(self, labels: Labels, where: str) -> None:
        for part, own in zip(self.parts, self._values(labels), strict=True):
            part._check_range(own, where)

    def _values(self, labels: Labels) -> list[Labels]:
        """(N, W) -> each part's values, still float32: a bad one has no place in another type."""
        return [
            labels[:, columns.start] if part.width is None else labels[:, columns]
            for part, columns in zip(self.parts, self.columns, strict=True)
        ]


LabelSchema = Annotated[
    ClassLabels | AttributeLabels | ContinuousLabels | NoLabels | ProductLabels, Field(discriminator="kind")
]


def parts_of_schema(schema: LabelSchema) -> list[ClassLabels | AttributeLabels | ContinuousLabels | NoLabels]:
    """The parts of a product, in order; of labels of one kind those themselves."""
    return list(schema.parts) if isinstance(schema, ProductLabels) else [schema]


def placed_parts(
    schema: LabelSchema,
) -> list[tuple[ClassLabels | AttributeLabels | ContinuousLabels | NoLabels, int]]:
    """The same, and where the values of each begin in a label."""
    starts = [columns.start for columns in schema.columns] if isinstance(schema, ProductLabels) else [0]
    return list(zip(parts_of_schema(schema), starts, strict=True))


def names_of_kind(schema: LabelSchema, kind: type[ClassLabels | AttributeLabels | ContinuousLabels]) -> list[str]:
    """The names in all parts of one kind, in order: that of their entries in a condition."""
    return [name for part in parts_of_schema(schema) if isinstance(part, kind) for name in part.names]
