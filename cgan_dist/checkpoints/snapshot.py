"""State copied to host memory at one point of the clock, to be written while the training goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from cgan_dist.checkpoints.folder import STATE
from cgan_dist.checkpoints.state import FORMAT
from cgan_dist.config import score


class _HostCopies:
    """Copies of nested values with their tensors in host memory; those from GPUs are queued, and awaited together."""

    def __init__(self) -> None:
        self._devices: set[torch.device] = set()

    def copy(self, value: Any) -> Any:
        """Returns a copy; one from a GPU is complete after `synchronize`."""
        if isinstance(value, Tensor):
            return self._tensor(value.detach())
        if isinstance(value, Mapping):
            return {key: self.copy(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.copy(item) for item in value)
        return value

    def synchronize(self) -> None:
        """Waits until every copy is complete."""
        for device in self._devices:
            torch.cuda.synchronize(device)

    def _tensor(self, tensor: Tensor) -> Tensor:
        if tensor.device.type != "cuda":
            return tensor.to("cpu", copy=True)
        self._devices.add(tensor.device)
        pinned = torch.empty_like(tensor, device="cpu", pin_memory=True)  # only such memory can be written unattended
        return pinned.copy_(tensor, non_blocking=True)


@dataclass(kw_only=True)
class Snapshot:
    """What one checkpoint will hold, in memory that the training does not touch.

    Attributes:
        networks: name to state dict; emptied while it is written, to give memory back.
        optimizers: likewise.
        state: content of `state.json`.
    """

    networks: dict[str, dict[str, Tensor]]
    optimizers: dict[str, dict[str, Any]]
    state: bytes

    @classmethod
    def take(
        cls,
        images_seen: int,
        networks: Mapping[str, Mapping[str, Tensor]],
        optimizers: Mapping[str, Mapping[str, Any]],
        state: Mapping[str, Any],
        scores: Mapping[str, float],
    ) -> Snapshot:
        """Copies everything; when it returns, the training may change what it was given."""
        copies = _HostCopies()
        taken = copies.copy(networks), copies.copy(optimizers)
        known = {"images_seen": images_seen, "scores": score.to_state(scores)}
        text = json.dumps({"format": FORMAT} | dict(state) | known, indent=1)
        copies.synchronize()
        return cls(networks=taken[0], optimizers=taken[1], state=text.encode())

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yields name and content of one file after the other."""
        for name in list(self.networks):
            tensors = self.networks.pop(name)
            yield f"{name}.safetensors", save({key: value.contiguous() for key, value in tensors.items()})
        for name in list(self.optimizers):
            buffer = io.BytesIO()
            torch.save(self.optimizers.pop(name), buffer)
            yield f"{name}.pt", buffer.getvalue()  # no copy; a view would outlive it in a traceback
        yield STATE, self.state
