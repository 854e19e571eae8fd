"""Which gradients are computed, and which are reduced over ranks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import cast

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Holds a network's parameters fixed: gradients pass through it to its input, none are computed for it."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def gradient_sync(accelerator: Accelerator, network: nn.Module, when: bool) -> Iterator[None]:
    """Reduces the network's gradients over ranks in this backward pass only `when` true (the last micro-batch)."""
    with contextlib.nullcontext() if when else accelerator.no_sync(network):
        yield


def leave_out_of_ddp(network: nn.Module, parameters: Iterable[nn.Parameter]) -> None:
    """Keeps DDP from reducing these; before the network is prepared. `reduce_rows` reduces them instead."""
    apart = {id(parameter) for parameter in parameters}
    names = [name for name, parameter in network.named_parameters() if id(parameter) in apart]
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(network, names)


def reduce_rows(accelerator: Accelerator, tables: Iterable[nn.Parameter], at_most: int) -> None:
    """Averages sparse gradients over ranks, in place and in two gathers of the batch's rows each; every rank calls it.

    Args:
        accelerator: of this process.
        tables: with sparse gradients; they leave it `merged`.
        at_most: different rows in one rank's gradient, the same number on every rank, because all must gather as much.
    """
    for table in tables:
        own = merged(cast(Tensor, table.grad), at_most)
        if accelerator.num_processes > 1:
            rows, sums = (cast(Tensor, accelerator.gather(part)) for part in (own._indices()[0], own._values()))
            own = merged(_sparse(rows, sums, table.shape), at_most * accelerator.num_processes)
            own._values().div_(accelerator.num_processes)
        table.grad = own


def merged(gradient: Tensor, entries: int) -> Tensor:
    """A sparse gradient with the entries of each row added up, equal to it, in so many entries whatever they are.

    The different rows come first, each with its sum; all entries behind them are zeros for the first row. Where the
    sums end is not asked of the device, for which `coalesce` waits.

    Args:
        gradient: sparse (N, F), of at least one entry. How many it has can depend on their rows: on a CPU the sum of
            two sparse tensors has those merged that happen to meet.
        entries: of the result; at least as many as there are different rows.
    """
    named, values = gradient._indices()[0], gradient._values()
    rows, order = named.sort(stable=True)
    of_sorted = F.pad((rows[1:] != rows[:-1]).cumsum(0), (1, 0))
    place = torch.empty_like(order).scatter_(0, order, of_sorted)
    sums = values.new_zeros(entries, *values.shape[1:]).index_add_(0, place, values)
    return _sparse(rows[:1].repeat(entries).scatter_(0, place, named), sums, gradient.shape)


def _sparse(rows: Tensor, values: Tensor, shape: torch.Size) -> Tensor:
    return torch.sparse_coo_tensor(rows[None], values, shape, check_invariants=False)
