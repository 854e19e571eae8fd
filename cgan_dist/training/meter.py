"""Averages of scalars between two lines of the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

MOST_WAITING = 32
"""Calls of `add` whose scalars are kept until their kernels run."""


class Meter:
    """Averages scalars between two log lines; totals stay on the device until asked for.

    Values that are not finite are left out, so that one skipped update does not cost an interval its means. What is
    known about names is the same on every rank: a name of which a rank has no finite value counts 0 there.
    """

    def __init__(self) -> None:
        self.reset()

    @property
    def totals(self) -> Tensor | None:
        """(2, N) on the device: sums, and how many values they have; None if there are none."""
        if self._waiting:
            self._take_in()
        return self._totals

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Adds detached scalars; kernels run for many calls together."""
        if not values:
            return
        self.names += [name for name in values if name not in self.names]
        self._waiting.append(values)
        if len(self._waiting) == MOST_WAITING:
            self._take_in()

    def means(self) -> dict[str, Tensor]:
        """Returns this rank's mean of each scalar since the last `reset`, on the device; NaN if none was finite."""
        if (totals := self.totals) is None:
            return {}
        sums, counts = totals.unbind()
        return dict(zip(self.names, (sums / counts).unbind(), strict=True))

    @property
    def counts(self) -> dict[str, Tensor]:
        """How many finite values each scalar has had on this rank."""
        return {} if (totals := self.totals) is None else dict(zip(self.names, totals[1].unbind(), strict=True))

    def reset(self) -> None:
        """Starts a new interval."""
        self.names: list[str] = []
        self._totals: Tensor | None = None
        self._waiting: list[Mapping[str, Tensor]] = []

    def state(self, over_ranks: Callable[[Tensor], Tensor] = lambda own: own) -> dict[str, dict[str, float]]:
        """Returns the open interval as JSON-ready values, for `finite_means` and for `restore`; waits for the device.

        Args:
            over_ranks: the mean of a small tensor over ranks; called only where there is one. Every rank must call it.
        """
        if (totals := self.totals) is None:
            return {"sums": {}, "counts": {}}
        sums, counts = over_ranks(totals).tolist()
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
            self._totals = torch.tensor(rows, dtype=_kind(device), device=device)

    def _take_in(self) -> None:
        """Adds what waits to the totals, one after the other: when it happens does not change a bit."""
        waiting, self._waiting = self._waiting, []
        device = next(iter(waiting[0].values())).device
        absent = torch.full((), math.nan, device=device)
        scalars = [values.get(name, absent) for values in waiting for name in self.names]
        rows = _stacked(scalars, _kind(device)).view(len(waiting), 1, len(self.names))
        rows = torch.cat([rows.nan_to_num(0.0, 0.0, 0.0), rows.isfinite().to(rows.dtype)], dim=1)
        totals = torch.zeros_like(rows[0])
        if self._totals is not None:
            totals[:, : self._totals.shape[1]] = self._totals
        for row in rows.unbind():
            totals += row
        self._totals = totals


def finite_means(state: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean of each scalar of a `Meter.state`, without those that had no finite value on any rank."""
    return {name: state["sums"][name] / count for name, count in state["counts"].items() if count}


def _kind(device: torch.device) -> torch.dtype:
    return torch.float64 if device.type == "cpu" else torch.float32


def _stacked(scalars: list[Tensor], dtype: torch.dtype) -> Tensor:
    """Of one kind they are stacked before they are converted, in two kernels however many they are."""
    if len({scalar.dtype for scalar in scalars}) == 1:
        return torch.stack(scalars).to(dtype)
    return torch.stack([scalar.to(dtype) for scalar in scalars])
