"""Averages of scalars between two lines of the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class Meter:
    """Averages scalars between two log lines; totals stay on the device until asked for.

    Values that are not finite are left out, so that one skipped update does not cost an interval its means. What is
    known about names is the same on every rank: a name of which a rank has no finite value counts 0 there.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.totals: Tensor | None = None  # (2, N): sums, and how many values they have

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Adds detached scalars, in a few kernels however many they are."""
        if not values:
            return
        device = next(iter(values.values())).device
        totals = self._with_room(values, device)
        absent = torch.full((), math.nan, dtype=totals.dtype, device=device)
        row = torch.stack([values[name].to(totals.dtype) if name in values else absent for name in self.names])
        finite = row.isfinite()
        totals += torch.stack([row.where(finite, torch.zeros_like(row)), finite.to(row.dtype)])

    def means(self) -> dict[str, Tensor]:
        """Returns this rank's mean of each scalar since the last `reset`, on the device; NaN if none was finite."""
        if self.totals is None:
            return {}
        sums, counts = self.totals.unbind()
        return dict(zip(self.names, (sums / counts).unbind(), strict=True))

    @property
    def counts(self) -> dict[str, Tensor]:
        """How many finite values each scalar has had on this rank."""
        return {} if self.totals is None else dict(zip(self.names, self.totals[1].unbind(), strict=True))

    def reset(self) -> None:
        """Starts a new interval."""
        self.names, self.totals = [], None

    def state(self, over_ranks: Callable[[Tensor], Tensor] = lambda own: own) -> dict[str, dict[str, float]]:
        """Returns the open interval as JSON-ready values, for `finite_means` and for `restore`; waits for the device.

        Args:
            over_ranks: the mean of a small tensor over ranks; called only where there is one. Every rank must call it.
        """
        if self.totals is None:
            return {"sums": {}, "counts": {}}
        sums, counts = over_ranks(self.totals).tolist()
        return {
            "sums": dict(zip(self.names, sums, strict=True)),
            "counts": dict(zip(self.names, counts, strict=True)),
        }

    def restore(self, state: Mapping[str, Mapping[str, float]], device: torch.device) -> None:
        """Reopens an interval that `state` saved: every rank goes on from the mean of all."""
        self.reset()
        if state["counts"]:
            self.names = list(state["counts"])
            rows = [[state[part][name] for name in self.names] for part in ("sums", "counts")]
            self.totals = torch.tensor(rows, dtype=_kind(device), device=device)

    def _with_room(self, values: Mapping[str, Tensor], device: torch.device) -> Tensor:
        fresh = [name for name in values if name not in self.names]
        if self.totals is None:
            self.totals = torch.zeros(2, 0, dtype=_kind(device), device=device)
        if fresh:
            self.names += fresh
            self.totals = torch.cat([self.totals, self.totals.new_zeros(2, len(fresh))], dim=1)
        return self.totals


def finite_means(state: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean of each scalar of a `Meter.state`, without those that had no finite value on any rank."""
    return {name: state["sums"][name] / count for name, count in state["counts"].items() if count}


def _kind(device: torch.device) -> torch.dtype:
    return torch.float64 if device.type == "cpu" else torch.float32
