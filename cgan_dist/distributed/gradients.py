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
        tables: with sparse gradients.
        at_most: different rows in one rank's gradient, the same number on every rank. Shorter ones are filled up with
            zeros for a row that is there, because all must gather the same size.
    """
    if accelerator.num_processes == 1:
        return
    for table in tables:
        assert table.grad is not None
        grad = table.grad.coalesce()
        missing = at_most - grad._nnz()
        own = torch.cat([grad.indices()[0], grad.indices()[0, :1].expand(missing)])
        index = cast(Tensor, accelerator.gather(own))
        rows = cast(Tensor, accelerator.gather(F.pad(grad.values(), (0, 0, 0, missing))))
        table.grad = torch.sparse_coo_tensor(
            index[None], rows / accelerator.num_processes, table.shape, check_invariants=False
        )
