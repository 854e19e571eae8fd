"""Adam for one network: rates by schedule, large label tables apart, a loss scale, no update by what is not finite."""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn
from torch.amp import GradScaler

from cgan_dist.conditioning.linear import rows_only_
from cgan_dist.schedule import value_at
from cgan_dist.sections import AdamConfig

LARGE_TABLE_ROWS = 640
"""A batch of 64 touches a tenth of such a table: from here on `auto` updates the rows of the batch only."""
LEAST_SCALE = 1.0
"""A loss scale is not lowered further: gradients that overflow here are not the scale's fault."""


class NetworkOptimizer:
    """Adam over a network; large label tables may move by the rows of the batch only.

    Rows of classes that are not in the batch keep their values and moments (torch's SparseAdam); dense Adam would move
    them by what is left of their momentum, at a cost that grows with the number of classes.

    An update whose gradients are not finite, or too large to be squared, is skipped: weights, moments and the count of
    steps stay. The device decides, and the host does not wait for it, except for a network with `tables`.

    In fp16 the loss is scaled, by a scale of this network's own: G and D have losses of different sizes, and what
    overflows in one says nothing about the other. A skip halves the scale if the gradients were not finite, and the
    scaler doubles it after 2,000 updates without one (torch's GradScaler).

    Args:
        accelerator: of this process.
        network: raw, on its device.
        config: rates and betas, each a schedule.
        tables: parameters of the network with sparse gradients, from `large_tables`.

    Attributes:
        scaler: of the loss in fp16, else None.
        gradient_norm: scalar on the device, the same on every rank: the Euclidean norm of all gradients of the last
            update, without the scale; not finite where they were not.
        skips: (2,) float32 on the device, the same on every rank: updates skipped in this process's life, and how many
            of the last were skipped in a row. A skip that halves the scale is not counted as in a row: it is how a
            scale is found. One at the least scale is, and one by gradients that are finite and too large.
    """

    def __init__(
        self, accelerator: Accelerator, network: nn.Module, config: AdamConfig, tables: list[nn.Parameter]
    ) -> None:
        self.config = config
        self.tables = tables
        self.accelerator = accelerator
        self.scaler = GradScaler(accelerator.device.type) if accelerator.mixed_precision == "fp16" else None
        self.skips = torch.zeros(2, device=accelerator.device)
        self.gradient_norm = torch.zeros((), device=accelerator.device)
        apart = set(map(id, self.tables))
        self.dense = [p for p in network.parameters() if p.requires_grad and id(p) not in apart]
        lr, betas = self._rates(0)
        optimizers: dict[str, torch.optim.Optimizer] = {
            "adam": torch.optim.Adam(self.dense, lr=lr, betas=betas, fused=True)
        }
        if self.tables:
            optimizers["rows"] = torch.optim.SparseAdam(self.tables, lr=lr, betas=betas)
        self.optimizers: dict[str, AcceleratedOptimizer] = {
            name: accelerator.prepare_optimizer(optimizer) for name, optimizer in optimizers.items()
        }

    @property
    def scale(self) -> Tensor:
        """Scalar on the device, the same on every rank: what the loss is multiplied by; 1 but in fp16."""
        one = torch.ones((), device=self.skips.device)
        return one if self.scaler is None else self.scaler.scale(one)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of a loss, in fp16 of the scaled one, to those that `step` will take.

        Args:
            loss: scalar float32, with its graph. Every rank must call it if the network is in DDP.
        """
        self.accelerator.backward(loss if self.scaler is None else self.scaler.scale(loss))

    @torch.no_grad()
    def step(self, images_seen: int) -> Tensor:
        """Changes the weights at this point of the clock, or skips the update, and forgets the gradients.

        Returns:
            Scalar float32 on the device, the same on every rank: 1 if the gradients were bad, else 0.
        """
        lr, betas = self._rates(images_seen)
        bad = self._judge_gradients()
        self.optimizers["adam"].optimizer.found_inf = bad  # how a scaler tells fused Adam to leave all as it is
        skip_on_host = bool(self.tables) and bool(bad)  # SparseAdam cannot be told, and waits for the device anyway
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"], group["betas"] = lr, betas
            if not skip_on_host:
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return bad

    def state(self) -> dict[str, dict[str, Any]]:
        """Returns state dicts by name; `restore` takes them back."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def restore(self, name: str, state: dict[str, Any]) -> None:
        """Takes one state dict of `state`; the rates stay those of the config, and a row of skips ends."""
        optimizer = self.optimizers[name]
        optimizer.load_state_dict(state)
        for parameter, moments in optimizer.optimizer.state.items():
            for key, moment in moments.items():
                laid_out = isinstance(moment, Tensor) and moment.shape == parameter.shape
                if laid_out and moment.stride() != parameter.stride():  # of a run with another train.channels_last
                    moments[key] = torch.empty_like(parameter).copy_(moment)  # fused Adam goes by place in memory
        self.skips[1].zero_()

    def _judge_gradients(self) -> Tensor:
        """Takes the scale out of the gradients, and returns 1 if the update must be skipped, else 0.

        Squares norms, because Adam squares gradients: a second moment of inf would hold its weight for ever.
        """
        for table in self.tables:
            table.grad = cast(Tensor, table.grad).coalesce()
        gradients = [parameter.grad for parameter in self.dense if parameter.grad is not None]
        gradients += [cast(Tensor, table.grad).values() for table in self.tables]
        if not gradients:
            return torch.zeros((), device=self.skips.device)
        if self.scaler is not None:
            for optimizer in self.optimizers.values():
                self.scaler.unscale_(optimizer.optimizer)
        norms = torch.stack(torch._foreach_norm(gradients))
        self.gradient_norm = torch.linalg.vector_norm(norms)
        bad = 1 - norms.square().isfinite().all().float()
        every, in_a_row = self.skips.unbind()
        every.add_(bad)
        in_a_row.add_(1).mul_(bad - self._adjust_scale(gradients))
        return bad

    def _adjust_scale(self, gradients: list[Tensor]) -> Tensor | int:
        """Returns 1 if the gradients overflowed because the scale was too large, and it has been halved; else 0."""
        if self.scaler is None:
            return 0
        overflow = 1 - torch.stack(torch._foreach_norm(gradients, math.inf)).isfinite().all().float()
        too_large = overflow * (self.scale > LEAST_SCALE)
        self.scaler.update()
        self.scaler.update(self.scale.clamp(min=LEAST_SCALE))
        return too_large

    def _rates(self, images_seen: int) -> tuple[float, tuple[float, float]]:
        first, second = (value_at(beta, images_seen) for beta in self.config.betas)
        return value_at(self.config.lr, images_seen), (first, second)


def large_tables(network: nn.Module, tables: Literal["auto", "dense", "rows"]) -> list[nn.Parameter]:
    """Makes the gradients of those tables sparse that move by rows, and returns them.

    Args:
        network: raw, before DDP.
        tables: `dense` for none, `rows` for all, `auto` for those from 640 rows on.
    """
    return rows_only_(network, at_least=rows_of_large_tables(tables))


def rows_of_large_tables(tables: Literal["auto", "dense", "rows"]) -> float:
    """From how many rows on a table is large; infinite where none is."""
    return {"auto": LARGE_TABLE_ROWS, "dense": math.inf, "rows": 1}[tables]
