"""Label space `product`: labels of several kinds at once, such as class x attributes x continuous."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.assignments import split_labels, split_word
from cgan_dist.conditioning.spaces.attributes import NO_ATTRIBUTE
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.stored import WHERE, listed
from cgan_dist.conditioning.spaces.words import NUMBER
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, Part, ProductLabels

DTYPES = {"classes": torch.int64, "attributes": torch.uint8, "continuous": torch.float32}


class Product:
    """The labels of several spaces side by side; a label is (W,) float32, as `ProductLabels` has it.

    The condition has the classes of all parts first, then all bits, then all reals.

    Args:
        schema: the data's labels, of several kinds.
        parts: the spaces to join, by name or as {name, args}; null takes all of the data's labels.

    Raises:
        UserError: if the data has labels of one kind, or the parts are fewer than two, share a name, or cannot be
            built.
    """

    schema: ProductLabels

    def __init__(self, schema: LabelSchema, parts: list[str | dict[str, Any]] | None = None) -> None:
        if not isinstance(schema, ProductLabels):
            raise UserError(f"{WHERE}: 'product' needs labels of several kinds, the data has '{schema.kind}' alone.")
        chosen = _all_parts(schema) if parts is None else parts
        self.spaces = [_build(schema, part, number) for number, part in enumerate(chosen)]
        self.schema = _joined(self.spaces)
        layouts = [space.layout for space in self.spaces]
        self.layout = Layout(
            classes=tuple(size for layout in layouts for size in layout.classes),
            bits=sum(layout.bits for layout in layouts),
            reals=sum(layout.reals for layout in layouts),
        )
        self.part_of_name = {name: number for number, part in enumerate(self.schema.parts) for name in part.names}
        self.first_classes = list(accumulate((layout.one_hot for layout in layouts), initial=0))[:-1]

    def select(self, stored: Tensor) -> Tensor:
        """(B, W) of the data -> (B, W) float32."""
        return _side_by_side([space.select(stored) for space in self.spaces])

    def encode(self, labels: Tensor) -> Condition:
        """(B, W) float32 -> a condition with everything in it."""
        conditions = [space.encode(own) for space, own in zip(self.spaces, self._split(labels), strict=True)]
        index = [own.ones + first for own, first in zip(conditions, self.first_classes, strict=True)]
        bits, reals = zip(
            *(
                own.values.split([space.layout.bits, space.layout.reals], dim=1)
                for space, own in zip(self.spaces, conditions, strict=True)
            ),
            strict=True,
        )
        return Condition(torch.cat(index, dim=1), torch.cat([*bits, *reals], dim=1))

    def parse(self, text: str) -> Tensor:
        """Reads `sneaker,Smiling=1,azimuth=30; 3`: two labels, separated by a semicolon.

        A word that names an attribute or a value belongs to it, as in those spaces; any other is the name of a class,
        or its number where there is one group of classes. A name that is a number is typed in quotes. Each label has
        one class of each group of classes; attributes that are not named are 0, values in the middle of their range.
        """
        return torch.cat([self._parse_one(words) for words in split_labels(text)])

    def grid(self, count: int) -> Tensor:
        """Each label of one part's grid with each of the others'; the grids are as large as `count` lets them be."""
        sizes = _factors(count, [len(space.grid(count)) for space in self.spaces])
        numbers = torch.cartesian_prod(*map(torch.arange, sizes))
        grids = [space.grid(size) for space, size in zip(self.spaces, sizes, strict=True)]
        return _side_by_side([grid[own] for grid, own in zip(grids, numbers.T, strict=True)])

    def describe(self, labels: Tensor) -> list[str]:
        """`sneaker Smiling azimuth 30`: what the parts say, without `none`."""
        described = [space.describe(own) for space, own in zip(self.spaces, self._split(labels), strict=True)]
        return [
            " ".join(text for text in texts if text != NO_ATTRIBUTE) or NO_ATTRIBUTE
            for texts in zip(*described, strict=True)
        ]

    def _split(self, labels: Tensor) -> list[Tensor]:
        """(B, W) -> the labels of each part, in that part's form."""
        return [
            (labels[:, columns.start] if part.width is None else labels[:, columns]).to(DTYPES[part.kind])
            for part, columns in zip(self.schema.parts, self.schema.columns, strict=True)
        ]

    def _parse_one(self, words: Sequence[str]) -> Tensor:
        taken: list[list[str]] = [[] for _ in self.spaces]
        for word in words:
            taken[self._part_of(word)].append(word)
        for part, own in zip(self.schema.parts, taken, strict=True):
            if isinstance(part, ClassLabels) and len(own) != 1:
                raise UserError(
                    f"label '{','.join(words)}': found {len(own)} classes of {listed(part.names)}; expected one in "
                    "each label. ';' separates labels."
                )
        return _side_by_side([space.parse(",".join(own)) for space, own in zip(self.spaces, taken, strict=True)])

    def _part_of(self, word: str) -> int:
        """The number of the part that reads a word."""
        kinds, names = [part.kind for part in self.schema.parts], self.schema.names
        if NUMBER.fullmatch(word) and "classes" in kinds:
            if (groups := kinds.count("classes")) == 1:
                return kinds.index("classes")
            raise UserError(
                f"label '{word}': a number, but of which of the {groups} groups of classes? Type names, and those that "
                f"are numbers in quotes. There are: {listed(names)}."
            )
        name, _ = split_word(word, self.part_of_name)
        if name in self.part_of_name:
            return self.part_of_name[name]
        if word == NO_ATTRIBUTE and "attributes" in kinds:
            return kinds.index("attributes")
        raise UserError(f"label '{word}': unknown name.{close_match(word, names)} There are: {listed(names)}.")


def _all_parts(schema: ProductLabels) -> list[str | dict[str, Any]]:
    groups = [part for part in schema.parts if isinstance(part, ClassLabels)]
    return [
        {
            "name": part.kind,
            "args": {"group": groups.index(part)} if isinstance(part, ClassLabels) else {"names": part.names},
        }
        for part in schema.parts
    ]


def _build(schema: LabelSchema, part: str | dict[str, Any], number: int) -> LabelSpace:
    where = f"{WHERE}.args.parts.{number}"
    given: dict[str, Any] = {"name": part} if isinstance(part, str) else part
    args = given.get("args", {})
    named = given.keys() <= {"name", "args"} and isinstance(given.get("name"), str)
    if not named or not isinstance(args, dict):
        raise UserError(f"{where}: found {part}; expected the name of a label space, or {{name: ..., args: {{...}}}}.")
    if given["name"] == "product":
        raise UserError(f"{where}: a product in a product; name its parts here instead.")
    try:
        space: LabelSpace = LABEL_SPACES.build(given["name"], WHERE, args, schema=schema)
    except UserError as error:
        raise UserError(str(error).replace(WHERE, where, 1)) from error
    if not isinstance(space.schema, ClassLabels | AttributeLabels | ContinuousLabels):
        raise UserError(f"{where}: '{given['name']}' is no part; expected classes, attributes or continuous.")
    return space


def _joined(spaces: Sequence[LabelSpace]) -> ProductLabels:
    parts: list[Part] = [space.schema for space in spaces]  # type: ignore[misc]
    if len(parts) < 2:
        raise UserError(f"{WHERE}.args.parts: found {len(parts)}, expected two or more; one alone needs no product.")
    for name, times in Counter(name for part in parts for name in part.names).items():
        if times > 1:
            raise UserError(f"{WHERE}.args.parts: '{name}' is in {times} of them; take each label once.")
    return ProductLabels(parts=parts)


def _side_by_side(labels: Sequence[Tensor]) -> Tensor:
    """The labels of each part, in that part's form -> (B, W) float32."""
    return torch.cat([(own[:, None] if own.ndim == 1 else own).float() for own in labels], dim=1)


def _factors(count: int, limits: Sequence[int]) -> list[int]:
    """Sizes as equal as can be whose product is at most `count`, none above its limit."""
    sizes = [1] * len(limits)
    while True:
        larger = [
            number
            for number, limit in enumerate(limits)
            if sizes[number] < limit and math.prod(sizes) // sizes[number] * (sizes[number] + 1) <= count
        ]
        if not larger:
            return sizes
        sizes[min(larger, key=sizes.__getitem__)] += 1
