"""Labels of which a person changes a part: `Smiling=1` leaves the other attributes, and the class, as they are."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.assignments import split_labels, split_word
from cgan_dist.conditioning.spaces.attributes import Attributes
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.conditioning.spaces.continuous import Continuous
from cgan_dist.conditioning.spaces.stored import listed
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, placed_parts

Part = ClassLabels | AttributeLabels | ContinuousLabels


def changed(space: LabelSpace, labels: Tensor, text: str) -> list[Tensor]:
    """Changes what a text names, for each of its parts between semicolons.

    Args:
        space: of the labels.
        labels: (P,) or (P, W).
        text: such as `Smiling=1; Smiling=0,Male=1`; a class is changed by its name or number.

    Returns:
        For each part (P,) or (P, W), all from the labels given.

    Raises:
        UserError: for what is no label of the space, or if nothing is named.
    """
    parts = _parts(space.schema)
    if not parts:
        raise UserError(f"--set '{text}': this generator has no labels (conditioning.labels is none), so none changes.")
    return [_one(parts, labels, words, text) for words in split_labels(text)]


def _one(parts: list[tuple[Part, int]], labels: Tensor, words: list[str], text: str) -> Tensor:
    if not words:
        raise UserError(f"--set '{text}': a change that names nothing; expected e.g. {_example(parts)}.")
    found, set_to = labels.clone(), dict[int, str]()
    for word in words:
        part, first = _part_of(parts, word)
        column, value = _value(part, word)
        if set_to.setdefault(first + column, word) != word:
            raise UserError(f"--set '{text}': {set_to[first + column]} and {word} contradict each other.")
        if found.ndim == 1:
            found[:] = int(value)
        else:
            found[:, first + column] = torch.tensor(value).to(found.dtype)
    return found


def _parts(schema: LabelSchema) -> list[tuple[Part, int]]:
    """The parts of a label, and the column where each begins."""
    return [(part, first) for part, first in placed_parts(schema) if isinstance(part, Part)]


def _part_of(parts: list[tuple[Part, int]], word: str) -> tuple[Part, int]:
    """The part that a word speaks of: that which has its name, else the one group of classes."""
    names = [name for part, _ in parts for name in part.names]
    name, _ = split_word(word, names)
    for part, first in parts:
        if name in part.names and not (isinstance(part, ClassLabels) and "=" in word and word not in part.names):
            return part, first
    groups = [(part, first) for part, first in parts if isinstance(part, ClassLabels)]
    if len(groups) == 1:
        return groups[0]
    raise UserError(f"--set '{word}': unknown name.{close_match(name, names)} There are: {listed(names)}.")


def _value(part: Part, word: str) -> tuple[int, float]:
    """The column of a part that a word sets, and to what."""
    if isinstance(part, ClassLabels):
        return 0, Classes(part).parse(word)[0].item()
    space = Attributes(part) if isinstance(part, AttributeLabels) else Continuous(part)
    column = part.names.index(split_word(word, part.names)[0])
    return column, space.parse(word)[0, column].item()


def _example(parts: list[tuple[Part, int]]) -> str:
    part = parts[0][0]
    if isinstance(part, ClassLabels):
        return part.names[0]
    return f"{part.names[0]}={1 if isinstance(part, AttributeLabels) else format(part.ranges[0][0], 'g')}"
