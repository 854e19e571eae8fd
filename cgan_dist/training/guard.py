"""What a forward pass that is not finite may leave behind, and how an update that is skipped takes it back.

All of it happens on the device; the host neither knows nor waits.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from cgan_dist.distributed.buffers import buffers_at, state_places


def spread_nonfinite(loss: Tensor) -> Tensor:
    """Makes a loss that is not finite have gradients that are not, on every rank; any other stays what it is, exactly.

    The gradient of a loss of inf may be finite: those of the hinge and Wasserstein losses do not depend on its value.
    A factor of NaN reaches the gradients, and in their reduction over ranks those of all. Otherwise the factor is 1.

    Args:
        loss: scalar, with its graph, before the backward pass.
    """
    return loss * (loss.detach() * 0 + 1)


class KeptBuffers:
    """Remembers the buffers of networks (running batch statistics, vectors of spectral norm) for one update.

    In a step of D the forward pass of G moves G's batch statistics too, and the other way round, so both networks
    belong here. Good buffers stay as they are, bit for bit.

    Args:
        networks: raw, on their device.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        self._places = [place for network in networks for place in state_places(network)]
        self._kept: list[tuple[list[Tensor], Tensor]] = []

    @torch.no_grad()
    def keep(self) -> None:
        """Remembers them as they are before the first forward pass of an update."""
        of_one_kind: dict[torch.dtype, list[Tensor]] = {}
        for buffer in buffers_at(self._places):
            of_one_kind.setdefault(buffer.dtype, []).append(buffer)
        self._kept = [(buffers, _flat_copy(buffers)) for buffers in of_one_kind.values()]

    @torch.no_grad()
    def put_back(self, bad: Tensor) -> None:
        """Puts back what `keep` remembered where `bad` is 1, and forgets it.

        Args:
            bad: scalar on the device, from `NetworkOptimizer.step`.
        """
        if bad.device.type == "cpu" and not bad:  # there the host need not wait to know
            self._kept = []
        for buffers, before in self._kept:
            flat = torch.where(bad > 0, before, _flatten_dense_tensors(buffers))
            torch._foreach_copy_(buffers, list(_unflatten_dense_tensors(flat, buffers)))
        self._kept = []


def _flat_copy(buffers: list[Tensor]) -> Tensor:
    flat: Tensor = _flatten_dense_tensors(buffers)
    return flat.clone() if len(buffers) == 1 else flat  # of a single one it is the buffer itself
