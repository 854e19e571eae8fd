"""A linear map of a condition, without a bias: a row look-up for its one-hot part, a matrix product for the rest."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout


class ConditionLinear(nn.Module):
    """`vector(condition) @ matrix`, with the matrix (N, F) cut at the end of the one-hot groups.

    The cost of the look-up does not depend on N. With `rows_only` its gradient is sparse: it holds the rows of the
    batch and nothing else.

    Args:
        layout: of the condition.
        out_features: F.
        std: of the normal distribution that all entries are drawn from.
        used_whole: `matrix` is used in training, so that no gradient is ever sparse.
    """

    table: nn.Parameter | None
    weight: nn.Parameter | None

    def __init__(self, layout: Layout, out_features: int, std: float = 1.0, used_whole: bool = False) -> None:
        super().__init__()
        self.layout, self.rows_only, self.used_whole = layout, False, used_whole
        for name, rows in (("table", layout.one_hot), ("weight", layout.values)):
            self.register_parameter(name, nn.Parameter(torch.randn(rows, out_features) * std) if rows else None)

    def forward(self, condition: Condition) -> Tensor:
        """A condition -> (B, F)."""
        shares = []
        if self.table is not None and condition.ones.shape[1]:
            shares.append(F.embedding(condition.ones, self.table, sparse=self.rows_only).sum(1))
        if count := condition.values.shape[1]:
            matrix = self.weight if self.weight is not None and count == len(self.weight) else self.matrix()[-count:]
            shares.append(condition.values.to(matrix.dtype) @ matrix)
        return shares[0] if len(shares) == 1 else torch.stack(shares).sum(0)

    def matrix(self) -> Tensor:
        """(N, F), joined where there are both parts."""
        parts: list[Tensor] = [part for part in (self.table, self.weight) if part is not None]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    @torch.no_grad()
    def assign(self, matrix: Tensor) -> None:
        """Takes all entries from (N, F)."""
        for part, rows in zip((self.table, self.weight), self.cut(matrix), strict=True):
            if part is not None:
                part.copy_(rows)

    def label_rows(self) -> dict[str, range]:
        """The parameters whose rows are entries of the condition, and which entries."""
        one_hot, width = self.layout.one_hot, self.layout.width
        return {"table": range(one_hot), "weight": range(one_hot, width)}

    def cut(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """(N, F) -> the rows of `table` and those of `weight`."""
        return matrix[: self.layout.one_hot], matrix[self.layout.one_hot :]


class Joined(Protocol):
    """A layer that keeps the condition's share of its weight in a table, and shows both as one weight."""

    share: ConditionLinear | None

    def joined(self, own: Tensor, matrix: Tensor | None) -> Tensor:
        """Its own weight and the table -> the weight of the equal plain layer."""

    def cut(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `joined`."""


def present_as_one(layer: nn.Module, own: str) -> None:
    """Gives a `Joined` layer the state dict of the equal plain layer, in both directions.

    Args:
        layer: a `Joined`.
        own: name of the parameter that is its own weight.
    """
    rows = ("share.table", "share.weight")

    def save(module: nn.Module, state: dict[str, Any], prefix: str, metadata: object) -> None:
        if prefix + own in state:  # not where spectral norm has taken its place
            parts = [state.pop(prefix + name) for name in rows if prefix + name in state]
            matrix = torch.cat(parts) if parts else None
            state[prefix + "weight"] = cast(Joined, module).joined(state.pop(prefix + own), matrix)

    def load(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        joined = cast(Joined, module)  # a deep copy has its own: nothing may be taken from the closure
        if (weight := state.pop(prefix + "weight", None)) is not None:
            state[prefix + own], matrix = joined.cut(weight)
            if joined.share is not None:
                held = zip(rows, (joined.share.table, joined.share.weight), joined.share.cut(matrix), strict=True)
                state |= {prefix + name: part for name, parameter, part in held if parameter is not None}

    layer.register_state_dict_post_hook(save)
    layer.register_load_state_dict_pre_hook(load)


def rows_only_(network: nn.Module, at_least: float) -> list[nn.Parameter]:
    """Makes the gradients of large tables sparse, in place, and returns those tables.

    Args:
        network: searched for `ConditionLinear`.
        at_least: rows from which on a table is large.
    """
    found = large_maps(network, at_least)
    for module in found:
        module.rows_only = True
    return [cast(nn.Parameter, module.table) for module in found]


def large_maps(network: nn.Module, at_least: float) -> list[ConditionLinear]:
    """Returns those of a network's maps whose table has so many rows, and a gradient that can be sparse."""
    found = []
    for module in network.modules():
        if isinstance(module, ConditionLinear) and not module.used_whole:
            table = module._parameters.get("table")  # not there where spectral norm has taken its place
            if table is not None and len(table) >= at_least:
                found.append(module)
    return found


def compile_around_rows_(network: nn.Module) -> None:
    """Leaves look-ups with sparse gradients out of `torch.compile`, which has none, in place; after `rows_only_`."""
    for module in network.modules():
        if isinstance(module, ConditionLinear) and module.rows_only:
            module.forward = torch.compiler.disable(module.forward)  # type: ignore[method-assign]
