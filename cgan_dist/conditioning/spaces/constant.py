"""A small constant that meets batches on any device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Constant:
    """A tensor that is copied to a device once: a copy for every batch would wait for the device every time.

    Args:
        values: its content.
        dtype: of its elements.
    """

    def __init__(self, values: Sequence[float], dtype: torch.dtype) -> None:
        self._copies = {torch.device("cpu"): torch.tensor(values, dtype=dtype)}

    def on(self, device: torch.device) -> Tensor:
        """The same values on that device."""
        if device not in self._copies:
            self._copies[device] = self._copies[torch.device("cpu")].to(device)
        return self._copies[device]
