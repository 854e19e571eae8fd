"""One operation, as it arrives below autograd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor

GPU = torch.device("cuda", 0)


@dataclass
class Call:
    """One operation, as it arrives below autograd."""

    func: OpOverload[..., Any]
    types: Sequence[type]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @cached_property
    def name(self) -> str:
        """Without namespace and overload."""
        return getattr(getattr(self.func, "overloadpacket", None), "__name__", str(self.func))

    @cached_property
    def tensors(self) -> list[Tensor]:
        """All of the arguments, those in lists too."""
        return list(tensors_in([*self.args, *self.kwargs.values()]))

    @cached_property
    def on_gpu(self) -> bool:
        """Whether any of them is on the device."""
        return any(map(is_on_gpu, self.tensors))

    @cached_property
    def on_both(self) -> bool:
        """Whether some of them are, and others are not."""
        return self.on_gpu and not all(map(is_on_gpu, self.tensors))

    @property
    def device(self) -> torch.device | None:
        """That of the result, where it is asked for."""
        device = self.kwargs.get("device")
        return None if device is None else torch.device(device)


def is_on_gpu(tensor: Tensor) -> bool:
    """Whether a tensor is on the device."""
    return isinstance(tensor, FakeTensor) and tensor.fake_device.type == "cuda"


def tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """Those among values, and in lists among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)
