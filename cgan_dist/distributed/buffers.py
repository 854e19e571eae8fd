"""The buffers of networks that are state: each rank has its own, and what is shown and saved is their average."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

Place = tuple[dict[str, Tensor | None], str]
"""A module's own buffers, and the name of one of them."""


def state_places(network: nn.Module) -> list[Place]:
    """Where a network keeps what `state_buffers` returns: found once, good as long as its modules stay the same."""
    return [
        (module._buffers, name)
        for module in network.modules()
        for name in module._buffers
        if name not in module._non_persistent_buffers_set
    ]


def buffers_at(places: Iterable[Place]) -> list[Tensor]:
    """The buffers that are there now, without empty ones."""
    found = (buffers[name] for buffers, name in places)
    return [buffer for buffer in found if buffer is not None and buffer.numel()]


def state_buffers(network: nn.Module) -> list[Tensor]:
    """Running batch statistics, vectors of spectral norm, counters; not constants, which no state dict has.

    The tensors are the network's own, in the order of `network.buffers()`.
    """
    return buffers_at(state_places(network))


@contextlib.contextmanager
def averaged_buffers(accelerator: Accelerator, networks: Iterable[nn.Module]) -> Iterator[Tensor]:
    """Within, running batch statistics are their averages over ranks; afterwards each rank has its own again.

    Each rank's batch norm sees its own share of the batch. A mean over ranks commutes with the running average, so what
    is shown and saved is the same however often this is called, and training does not notice that it was.

    Yields:
        (R, n): every rank's own statistics, for `own_buffers`. Every rank must call it.
    """
    buffers = _floating_buffers(networks)
    own = torch.cat([buffer.flatten() for buffer in buffers]) if buffers else torch.empty(0, device=accelerator.device)
    if accelerator.num_processes == 1 or not buffers:
        yield own[None]
        return
    rows = cast(Tensor, accelerator.gather(own[None]))
    _fill(buffers, rows.mean(0))
    try:
        yield rows
    finally:
        _fill(buffers, own)


def own_buffers(accelerator: Accelerator, networks: Iterable[nn.Module], rows: Tensor) -> None:
    """Gives each rank its own statistics back, from (R, n) of as many ranks; of another number, averages stay."""
    if len(rows) == accelerator.num_processes > 1:
        _fill(_floating_buffers(networks), rows[accelerator.process_index].to(accelerator.device))


def _floating_buffers(networks: Iterable[nn.Module]) -> list[Tensor]:
    return [buffer for network in networks for buffer in state_buffers(network) if buffer.is_floating_point()]


def _fill(buffers: Sequence[Tensor], flat: Tensor) -> None:
    for buffer, values in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(values.view_as(buffer))
