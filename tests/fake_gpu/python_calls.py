"""Calls that C++ answers before they become operations: tensors made of values, devices without a number, autocast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from tests.fake_gpu.autocast import autocast
from tests.fake_gpu.call import GPU


class PythonCalls(TorchFunctionMode):
    """Sees functions of torch before autograd does."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answers some; the others go on, with their arguments cast where autocast is on."""
        name, given, named = getattr(func, "__name__", ""), tuple(args), dict(kwargs or {})
        if name in ("tensor", "as_tensor"):
            return _made_of_values(func, given, named)
        if name == "new_tensor":
            return _made_of_values(
                torch.tensor, given[1:], {"dtype": given[0].dtype, "device": given[0].device} | named
            )
        if name == "to":
            return func(*map(_numbered, given), **{key: _numbered(value) for key, value in named.items()})
        if torch.is_autocast_enabled("cuda"):
            given, named = autocast(name, given, named)
        return func(*given, **named)


def _made_of_values(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Made on the CPU and then copied, as C++ does it for a GPU."""
    device = kwargs.pop("device", None)
    with torch._C.DisableTorchFunction():
        made = func(*args, **kwargs)
        return made if device is None else made.to(_numbered(device))


def _numbered(value: Any) -> Any:
    """`cuda` alone is the current one, for which C++ would ask the driver."""
    return GPU if isinstance(value, str | torch.device) and str(value) == "cuda" else value
