"""What one network takes over from another that knows other labels: tensors by name, rows of label tables by label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.entries import entries_of
from cgan_dist.conditioning.spaces.stored import listed


class Labels:
    """Which entry of one label space each entry of another is.

    Args:
        given: the space of the network that gives.
        own: of the network that takes.

    Attributes:
        names: kind and name of the entries of `given`; none of a space whose entries have none.
        own_names: likewise of `own`.
        place_of: for each entry of `own`, its place in `given`; None for what is not there.
    """

    def __init__(self, given: LabelSpace, own: LabelSpace) -> None:
        self.given, self.own = given, own
        self.are_the_same = given.schema == own.schema and given.layout == own.layout
        self.names, self.own_names = entries_of(given) or [], entries_of(own) or []
        place = {name: number for number, name in enumerate(self.names)}
        self.place_of: list[int | None] = [None] * own.layout.width
        if self.are_the_same:
            self.place_of = list(range(own.layout.width))
        elif self.own_names:
            self.place_of = [place.get(name) for name in self.own_names]

    def told(self) -> str:
        """What became of the labels, for the log."""
        if self.are_the_same:
            return "Its labels are the same."
        there = set(self.names)
        kept = [name for kind, name in self.own_names if (kind, name) in there]
        afresh = [name for kind, name in self.own_names if (kind, name) not in there]
        left = sorted(name for _, name in there.difference(self.own_names))
        parts = {"Labels taken over, by name": kept, "begun afresh": afresh, "left behind": left}
        return "; ".join(f"{what}: {listed(found) if found else 'none'}" for what, found in parts.items()) + "."


class Rows(NamedTuple):
    """A parameter whose rows are entries of a condition.

    Attributes:
        tensor: (R, ...); rows after those of `entries` are something else.
        layout: of the condition.
        entries: those that the first rows are.
    """

    tensor: Tensor
    layout: Layout
    entries: range

    def place(self, entry: int) -> int | None:
        """The row of an entry; None if it has none here."""
        return entry - self.entries.start if entry in self.entries else None


@torch.no_grad()
def take_over(given: nn.Module, own: nn.Module, labels: Labels) -> list[str]:
    """Takes the tensors of one network over into another, in place; what has another form there stays.

    Args:
        given: raw.
        own: raw, on any device; changed.
        labels: of both.

    Returns:
        The parameters of which nothing was taken over, by name; single rows of labels are not told.
    """
    tensors, rows, own_rows = dict(_state(given)), _rows(given), _rows(own)
    afresh = []
    for name, tensor in _state(own):
        if name in rows and name in own_rows:
            taken = _take_rows(rows[name], own_rows[name], labels)
        elif taken := name in tensors and tensors[name].shape == tensor.shape:
            tensor.copy_(tensors[name])
        if not taken and isinstance(tensor, nn.Parameter):
            afresh.append(name)
    return afresh


def _take_rows(given: Rows, own: Rows, labels: Labels) -> bool:
    """Rows of labels by their name, the others by their place behind them; returns whether shapes allowed it."""
    if given.tensor.shape[1:] != own.tensor.shape[1:]:
        return False
    sources = [_source(entry, given, own, labels) for entry in own.entries]
    behind = [len(each.tensor) - len(each.entries) for each in (given, own)]
    if behind[0] == behind[1]:
        sources += range(len(given.entries), len(given.tensor))
    pairs = [(row, source) for row, source in enumerate(sources) if source is not None]
    if pairs:
        rows, from_rows = torch.tensor(pairs).T
        own.tensor[rows.to(own.tensor.device)] = given.tensor[from_rows].to(own.tensor)
    return True


def _source(entry: int, given: Rows, own: Rows, labels: Labels) -> int | None:
    """The row that holds what an entry stands for in the network that gives; None if there is none."""
    first_learned = own.layout.width - own.layout.learned
    if entry >= first_learned:
        same = own.layout.learned == given.layout.learned
        return given.place(entry - first_learned + given.layout.width - given.layout.learned) if same else None
    if _of_label(own.layout) == labels.own.layout and _of_label(given.layout) == labels.given.layout:
        place = labels.place_of[entry]
        return None if place is None else given.place(place)
    return given.place(entry) if labels.are_the_same and own.layout == given.layout else None  # a form of a way's own


def _of_label(layout: Layout) -> Layout:
    return replace(layout, learned=0)


def _state(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers that are state, each by its full name; unlike a state dict, as they lie in memory."""
    yield from network.named_parameters()
    for path, module in network.named_modules():
        for name, buffer in module.named_buffers(path, recurse=False):
            if name.rpartition(".")[2] not in module._non_persistent_buffers_set:
                yield name, buffer


def _rows(network: nn.Module) -> dict[str, Rows]:
    """By full name, the parameters that a module's `label_rows` speaks of, under spectral norm or not."""
    tensors, found = dict(network.named_parameters()), {}
    for path, module in network.named_modules():
        for name, entries in module.label_rows().items() if hasattr(module, "label_rows") else ():
            for full in (f"{path}.{name}", f"{path}.parametrizations.{name}.original"):
                if (tensor := tensors.get(full.removeprefix("."))) is not None:
                    found[full.removeprefix(".")] = Rows(tensor, module.layout, entries)
    return found
