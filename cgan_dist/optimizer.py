"""Adam for one network, its rates by schedule, and large label tables apart."""

from __future__ import annotations

from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import nn

from cgan_dist.conditioning.linear import rows_only_
from cgan_dist.config import AdamConfig
from cgan_dist.schedule import value_at

LARGE_TABLE_ROWS = 640
"""A batch of 64 touches a tenth of such a table: from here on `auto` updates the rows of the batch only."""


class NetworkOptimizer:
    """Adam over a network; large label tables may move by the rows of the batch only.

    Rows of classes that are not in the batch keep their values and moments (torch's SparseAdam); dense Adam would move
    them by what is left of their momentum, at a cost that grows with the number of classes.

    Args:
        accelerator: of this process.
        network: raw, on its device.
        config: rates and betas, each a schedule.
        tables: parameters of the network with sparse gradients, from `large_tables`.
    """

    def __init__(
        self, accelerator: Accelerator, network: nn.Module, config: AdamConfig, tables: list[nn.Parameter]
    ) -> None:
        self.config = config
        self.tables = tables
        apart = set(map(id, self.tables))
        dense = [p for p in network.parameters() if p.requires_grad and id(p) not in apart]
        lr, betas = self._rates(0)
        optimizers: dict[str, torch.optim.Optimizer] = {"adam": torch.optim.Adam(dense, lr=lr, betas=betas, fused=True)}
        if self.tables:
            optimizers["rows"] = torch.optim.SparseAdam(self.tables, lr=lr, betas=betas)
        self.optimizers: dict[str, AcceleratedOptimizer] = {
            name: accelerator.prepare_optimizer(optimizer) for name, optimizer in optimizers.items()
        }

    def step(self, images_seen: int) -> None:
        """Changes the weights at this point of the clock and forgets the gradients."""
        lr, betas = self._rates(images_seen)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"], group["betas"] = lr, betas
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, dict[str, Any]]:
        """Returns state dicts by name; `restore` takes them back."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def restore(self, name: str, state: dict[str, Any]) -> None:
        """Takes one state dict of `state`; the rates stay those of the config."""
        self.optimizers[name].load_state_dict(state)

    def _rates(self, images_seen: int) -> tuple[float, tuple[float, float]]:
        first, second = (value_at(beta, images_seen) for beta in self.config.betas)
        return value_at(self.config.lr, images_seen), (first, second)


def large_tables(network: nn.Module, tables: Literal["auto", "dense", "rows"]) -> list[nn.Parameter]:
    """Makes the gradients of those tables sparse that move by rows, and returns them.

    Args:
        network: raw, before DDP.
        tables: `dense` for none, `rows` for all, `auto` for those from 640 rows on.
    """
    if tables == "dense":
        return []
    return rows_only_(network, at_least=LARGE_TABLE_ROWS if tables == "auto" else 1)
