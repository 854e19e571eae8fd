"""The few collectives we use, and what is the same on every rank by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn

Made = TypeVar("Made")


def joined_world_size() -> int:
    """The number of processes in the process group; 1 without one."""
    return dist.get_world_size() if dist.is_initialized() else 1


class _SumOverRanks(torch.autograd.Function):
    """The sum of what every rank has. It is its own derivative, and so has any number of them."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        ctx.mark_dirty(own)
        dist.all_reduce(own)
        return own

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return sum_over_ranks_(gradient.clone())  # autograd may need the gradient elsewhere


def sum_over_ranks_(own: Tensor) -> Tensor:
    """Adds up a tensor of every rank in place, without a wait of the host; differentiable any number of times.

    Its derivative is that of the sum of all ranks' losses. So every rank must call it, differentiate what it has made
    of it as often, and in the same order as other reductions.

    Args:
        own: the same shape on every rank.
    """
    return cast(Tensor, _SumOverRanks.apply(own)) if dist.is_initialized() else own


def all_finite(networks: Iterable[nn.Module]) -> bool:
    """Whether every parameter is; the same on every rank, because parameters are."""
    norms = torch._foreach_norm([parameter.detach() for network in networks for parameter in network.parameters()])
    return bool(torch.stack(list(norms)).isfinite().all())


def greatest_over_ranks(accelerator: Accelerator, values: Tensor) -> list[float]:
    """The greatest of each of (n,) values over all ranks, in one collective; every rank must call it."""
    if accelerator.num_processes == 1:
        return cast(list[float], values.tolist())  # those of the host would go to the device and come back
    rows = cast(Tensor, accelerator.gather(values.to(accelerator.device, torch.float32)[None]))
    return rows.amax(0).tolist()


def differing_replicas(accelerator: Accelerator, networks: Mapping[str, nn.Module]) -> list[str]:
    """Names of networks whose parameters are not the same, bit for bit, on every rank; every rank must call it."""
    sums = [
        torch.stack([p.detach().contiguous().view(torch.int32).sum(dtype=torch.int64) for p in network.parameters()])
        for network in networks.values()
    ]
    rows = cast(Tensor, accelerator.gather(torch.cat(sums)[None]))
    same = (rows == rows[0]).all(0).split([len(part) for part in sums])
    return [name for name, part in zip(networks, same, strict=True) if not bool(part.all())]


def gather_rows(accelerator: Accelerator, own: Tensor, size: int) -> Tensor:
    """Joins (n, ...) rows of every rank, n <= `size`, in the order of ranks; every rank must call it.

    Only the last ranks that have any may have fewer than `size`: what they lack are zeros at the end.

    Returns:
        (R * size, ...) on the CPU, the same on every rank; of a single process its (n, ...).
    """
    if accelerator.num_processes == 1:
        return own.cpu()
    filled = own.new_zeros(size, *own.shape[1:], device=accelerator.device)
    filled[: len(own)] = own
    return cast(Tensor, accelerator.gather(filled)).cpu()


def share_network(accelerator: Accelerator, network: nn.Module) -> None:
    """Gives every rank the main process's parameters and buffers of a network, in place; every rank must call it."""
    if accelerator.num_processes > 1:
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, src=0)


def from_main(value: object) -> object:
    """Returns the main process's value on every rank; every rank must call it."""
    return broadcast_object_list([value])[0]


def from_all(value: Made) -> list[Made]:
    """Returns every rank's value on every rank, in the order of the ranks; every rank must call it."""
    return cast(list[Made], gather_object([value]))
