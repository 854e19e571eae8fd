"""Small tensors that travel to a device together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ALIGNMENT_BYTES = 64


class Parcel:
    """Copies of tensors in one piece of memory, which a single copy takes to a device.

    Args:
        tensors: on the CPU, of any shapes and types.
        pin_memory: page-lock, so that a copy to a GPU costs no wait. PyTorch keeps such memory until the copies that it
            knows of are done, and gives it out again then.
    """

    def __init__(self, tensors: Sequence[Tensor], pin_memory: bool = False) -> None:
        self.kinds = [(tensor.nbytes, tensor.dtype, tensor.shape) for tensor in tensors]
        self.sizes = [-(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for size, _, _ in self.kinds]
        self.content = torch.empty(sum(self.sizes), dtype=torch.uint8, pin_memory=pin_memory)
        for place, tensor in zip(self._unpacked(self.content), tensors, strict=True):
            place.copy_(tensor)

    def to(self, device: torch.device) -> list[Tensor]:
        """Returns the tensors there, as views of one; it does not wait for the device."""
        return self._unpacked(self.content.to(device, non_blocking=True))

    def _unpacked(self, content: Tensor) -> list[Tensor]:
        parts = zip(content.split(self.sizes), self.kinds, strict=True)
        return [part[:size].view(dtype).view(shape) for part, (size, dtype, shape) in parts]
