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
from cgan_dist.config.schedule import largest, value_at
from cgan_dist.config.training import AdamConfig
from cgan_dist.training.rates import by_part, rate_at, width_factor
from cgan_dist.training.row_adam import RowAdam

LARGE_TABLE_ROWS = 640
"""A batch of 64 touches a tenth of such a table: from here on `auto` updates the rows of the batch only."""
SKIPS_ON_DEVICE = ("cpu", "cuda", "xpu")
"""Where fused Adam heeds `found_inf`. On MPS it leaves it unread (PyTorch before pull request 186360 of June 2026)."""
LEAST_SCALE = 1.0
"""A loss scale is not lowered further: gradients that overflow here are not the scale's fault."""


class NetworkOptimizer:
    """Adam over a network; large label tables may move by the rows of the batch only.

    Rows of classes that are not in the batch keep their values and moments (`RowAdam`); dense Adam would move them by
    what is left of their momentum, at a cost that grows with the number of classes.

    An update whose gradients are not finite, or too large to be squared, is skipped: weights, moments and the count of
    steps stay. The device decides, and the host does not wait for it, except on devices whose Adam cannot be told
    (`SKIPS_ON_DEVICE`).

    With `weight_decay` it is AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101): an update takes the decay times the
    rate of each dense weight from it. Rows would all have to move for that, so tables that move by rows do not decay.

    In fp16 the loss is scaled, by a scale of this network's own: G and D have losses of different sizes, and what
    overflows in one says nothing about the other. A skip halves the scale if the gradients were not finite, and the
    scaler doubles it after 2,000 updates without one (torch's GradScaler).

    Args:
        accelerator: of this process.
        network: raw, on its device.
        config: rates, betas and decay, each a schedule, and the longest gradient.
        tables: parameters of the network with sparse gradients, from `large_tables`.

    Attributes:
        scaler: of the loss in fp16, else None.
        gradient_norm: scalar on the device, the same on every rank: the Euclidean norm of all gradients of the last
            update, without the scale and before it is clipped; not finite where they were not.
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
        self.fused = accelerator.device.type in SKIPS_ON_DEVICE
        self.scaler = GradScaler(accelerator.device.type) if accelerator.mixed_precision == "fp16" else None
        self.skips = torch.zeros(2, device=accelerator.device)
        self.gradient_norm = torch.zeros((), device=accelerator.device)
        parts = parts_of(network, config, tables)
        optimizers = build_optimizers(parts, config, self.fused)
        self.dense = [weight for weights in parts["adam"].values() for weight in weights]
        self.decays = isinstance(optimizers["adam"], torch.optim.AdamW)
        factors, wide = {"": 1.0} | config.multipliers, width_factor(config, network)
        self.factors = {name: [factors[part] * wide for part in found] for name, found in parts.items()}
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

        Those of `tables` must have gone through `reduce_rows`.

        Returns:
            Scalar float32 on the device, the same on every rank: 1 if the gradients were bad, else 0.
        """
        bad = self._judge_gradients(images_seen)
        skip_on_host = not self.fused and bool(bad)
        for name, prepared in self.optimizers.items():
            optimizer = prepared.optimizer  # Accelerate's own step looks for a package of another optimizer each time
            self._set_rates(name, optimizer, images_seen)
            if self.fused:
                optimizer.found_inf = bad  # how a scaler tells fused Adam to leave all as it is
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
        own = {"fused": self.fused, "decoupled_weight_decay": self.decays}
        groups = [group | {key: own[key] for key in own.keys() & group} for group in state["param_groups"]]
        optimizer.load_state_dict(state | {"param_groups": groups})  # it may have been saved on another kind of device
        for parameter, moments in optimizer.optimizer.state.items():
            for key, moment in moments.items():
                laid_out = isinstance(moment, Tensor) and moment.shape == parameter.shape
                if laid_out and moment.stride() != parameter.stride():  # of a run with another train.channels_last
                    moments[key] = torch.empty_like(parameter).copy_(moment)  # fused Adam goes by place in memory
        self.skips[1].zero_()

    def _judge_gradients(self, images_seen: int) -> Tensor:
        """Takes the scale out of the gradients and clips them, and returns 1 if the update must be skipped, else 0.

        Squares norms, because Adam squares gradients: a second moment of inf would hold its weight for ever.
        """
        gradients = [parameter.grad for parameter in self.dense if parameter.grad is not None]
        gradients += [cast(Tensor, table.grad)._values() for table in self.tables]
        if not gradients:
            return torch.zeros((), device=self.skips.device)
        if self.scaler is not None:
            for optimizer in self.optimizers.values():
                self.scaler.unscale_(optimizer.optimizer)
        norms = torch.stack(torch._foreach_norm(gradients))
        self.gradient_norm = torch.linalg.vector_norm(norms)
        bad = 1 - norms.square().isfinite().all().float()
        if self.config.clip_norm is not None:
            longest = value_at(self.config.clip_norm, images_seen)
            torch._foreach_mul_(gradients, longest / self.gradient_norm.clamp(min=longest))
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

    def _set_rates(self, name: str, optimizer: torch.optim.Optimizer, images_seen: int) -> None:
        lr, betas = rate_at(self.config, images_seen), self._betas(images_seen)
        for factor, group in zip(self.factors[name], optimizer.param_groups, strict=True):
            group["lr"], group["betas"] = lr * factor, betas
            if "weight_decay" in group:
                group["weight_decay"] = value_at(self.config.weight_decay, images_seen)

    def _betas(self, images_seen: int) -> tuple[float, float]:
        first, second = (value_at(beta, images_seen) for beta in self.config.betas)
        return first, second


def parts_of(
    network: nn.Module, config: AdamConfig, tables: list[nn.Parameter]
) -> dict[str, dict[str, list[nn.Parameter]]]:
    """Deals the weights of a network to optimizers, and there to the parts that have a rate of their own.

    Args:
        network: raw.
        config: of it.
        tables: what moves by rows.

    Returns:
        `adam`, and where there are tables `rows`: each part and its weights, as `by_part` sorts them.
    """
    apart = set(map(id, tables))
    dense = [p for p in network.parameters() if p.requires_grad and id(p) not in apart]
    dealt = {"adam": dense} | ({"rows": tables} if tables else {})
    return {name: by_part(network, weights, config.multipliers) for name, weights in dealt.items()}


def build_optimizers(
    parts: dict[str, dict[str, list[nn.Parameter]]], config: AdamConfig, fused: bool = False
) -> dict[str, torch.optim.Optimizer]:
    """Builds the optimizers of a network, with a group for each part; rates come later.

    Args:
        parts: from `parts_of`.
        config: of the network.
        fused: of both Adams.
    """
    groups = {name: [{"params": weights} for weights in found.values()] for name, found in parts.items()}
    kind = torch.optim.AdamW if largest(config.weight_decay) > 0 else torch.optim.Adam
    found: dict[str, torch.optim.Optimizer] = {"adam": kind(groups["adam"], lr=0.0, fused=fused, weight_decay=0.0)}
    return found | ({"rows": RowAdam(groups["rows"], fused=fused)} if "rows" in groups else {})


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
