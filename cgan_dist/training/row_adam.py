"""Adam over tables of which a batch touches a few rows: those rows move, and the host waits for no number of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What Adam keeps of each weight, by its names in a checkpoint."""


class RowAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980) of the rows that a sparse gradient names.

    Those rows move as torch's Adam moves them, all others keep value and moments; the count of steps is the table's.
    That is what torch's SparseAdam does, which adds up the entries of a row by `coalesce`, so that the host waits for
    the number of different rows, and which takes no `found_inf`. The states of the two interchange. They differ in
    where epsilon is added: here after the second moment has been corrected for its start, as Adam has it.

    Args:
        params: tables (N, F), or groups of them.
        lr: the rate.
        betas: of the moments.
        eps: added to the root of the second moment.
        maximize: must be False; it stands in what SparseAdam has saved.
        fused: one kernel for all tables of a group, which heeds `found_inf`.

    Attributes:
        found_inf: scalar float32 on the device: 1 leaves weights, moments and the count of steps as they are; None, or
            an optimizer that is not fused, heeds nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize, "fused": fused})
        self.found_inf: Tensor | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes a saved state, which may be of SparseAdam: it counts steps on the host, and is never fused."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("fused", self.defaults["fused"])
            for moments in (self.state[table] for table in group["params"] if table in self.state):
                device = moments["exp_avg"].device if group["fused"] else "cpu"
                moments["step"] = torch.as_tensor(moments["step"], dtype=torch.float32, device=device)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Moves the rows of the gradients, which must be `merged`, as `reduce_rows` leaves them."""
        for group in self.param_groups:
            tables = [table for table in group["params"] if table.grad is not None]
            if not tables:
                continue
            held = [[table, *(self._moments(table, group["fused"])[key] for key in MOMENTS)] for table in tables]
            rows, gradients = zip(*(_rows(table.grad) for table in tables), strict=True)
            moved = [[whole.index_select(0, own) for whole in three] for three, own in zip(held, rows, strict=True)]
            values, first, second = (list(column) for column in zip(*moved, strict=True))
            adam(
                values,
                list(gradients),
                first,
                second,
                [],
                [self.state[table]["step"] for table in tables],
                fused=group["fused"],
                foreach=False,
                found_inf=self.found_inf,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=0.0,
                eps=group["eps"],
                maximize=False,
            )
            for three, own, new in zip(held, rows, moved, strict=True):
                for whole, part in zip(three, new, strict=True):
                    whole.index_copy_(0, own, part)

    def _moments(self, table: nn.Parameter, fused: bool) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[table]
        if not state:
            state["step"] = torch.zeros((), device=table.device if fused else "cpu")
            state |= {key: torch.zeros_like(table) for key in MOMENTS}
        return state


def _rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Of a merged gradient the rows, and what moves each; where one is named again, by the same values."""
    rows = gradient._indices()[0]
    entries = torch.arange(len(rows), device=rows.device).masked_fill_(rows == rows[0], 0)
    return rows, gradient._values().index_select(0, entries)
