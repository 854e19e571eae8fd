"""A CUDA device as far as Python and the autograd engine ask for one; only for a process of its own.

FakeTensorMode alone follows tensors on `cuda` forward without a GPU. The backward pass asks for the threads and streams
of a device that is not there. So C++ is told that our tensors are on `meta`, for which the engine runs in the calling
thread, while they keep the dispatch keys of CUDA, and Python is told that they are on `cuda:0`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, cast
from unittest import mock

import torch
import torch._dynamo.config  # looks at _make_subclass while it is imported
from torch import Tensor, nn
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import _disable_current_modes

from cgan_dist.assembly import networks
from cgan_dist.training import draws
from tests.fake_gpu.call import GPU
from tests.fake_gpu.mode import FakeGpu
from tests.fake_gpu.threads import NoThreads

CUDA = {
    "is_available": True,
    "is_initialized": False,
    "device_count": 1,
    "current_device": 0,
    "set_device": None,
    "is_bf16_supported": True,
    "get_device_capability": (9, 0),
    "get_device_name": "a GPU that is not there",
    "get_device_properties": mock.Mock(total_memory=24 * 2**30),
    "max_memory_allocated": 0,
    "max_memory_reserved": 0,
    "reset_peak_memory_stats": None,
    "empty_cache": None,
    "get_rng_state": None,
    "set_rng_state": None,
    "is_current_stream_capturing": False,
    "stream": contextlib.nullcontext(),
}
"""What torch.cuda says of it."""
ACCELERATOR = {"is_available": True, "current_accelerator": GPU, "device_count": 1, "current_device_index": 0}
make_subclass, apply = Tensor._make_subclass, nn.Module._apply


def pretend_a_gpu(gpu: FakeGpu) -> None:
    """Makes torch find a CUDA device, for the rest of this process."""
    changes = {
        torch.cuda: _answering(CUDA),
        draws: {"ThreadPoolExecutor": NoThreads},
        networks: {"_on_meta": _outside(networks._on_meta)},  # the mode takes `meta` for the device
        torch.accelerator: _answering(ACCELERATOR),
        fake_tensor: {"init_gpu_context": mock.Mock()},
        FakeTensor: {
            "is_meta": property(lambda self: self.fake_mode.in_kernel_invocation),
            "is_cuda": property(lambda self: self.fake_device.type == "cuda"),
            "tolist": lambda self: self.cpu().tolist(),  # in one copy, as of a real one
        },
        Tensor: {"_make_subclass": staticmethod(_make_subclass)},
        nn.Module: {"_apply": _apply},
        torch.utils: {"swap_tensors": _swap_tensors},
        torch: {"load": _outside(torch.load)},  # the mode would make fake tensors on the CPU
    }
    for owner, new in changes.items():
        for name, value in (new | _waiting(gpu).get(owner, {})).items():
            setattr(owner, name, value)


def _answering(answers: Mapping[str, object]) -> dict[str, Callable[..., object]]:
    """Functions that answer; `mock.Mock` takes a tenth of all time, since each operation asks."""
    return {name: lambda *_, answer=answer, **__: answer for name, answer in answers.items()}


def _waiting(gpu: FakeGpu) -> dict[object, dict[str, object]]:
    """What waits by name; it is noted."""

    def synchronize(*_: object) -> None:
        gpu.ledger.wait("synchronize")

    def stream_or_event(*_: object, **__: object) -> mock.Mock:
        made = mock.Mock(synchronize=synchronize)
        made.is_capturing.return_value = False
        return made

    both = {"synchronize": synchronize, "current_stream": stream_or_event}
    return {torch.cuda: both | {"Stream": stream_or_event, "Event": stream_or_event}, torch.accelerator: both}


def _make_subclass(
    cls: type[Tensor],
    elem: Tensor,
    require_grad: bool = False,
    *,
    dispatch_device: bool = False,
    device_for_backend_keys: Any = None,
    **others: Any,
) -> Tensor:
    """As it is, but for C++'s belief of where a tensor on `cuda` is."""
    ours = device_for_backend_keys is not None and torch.device(device_for_backend_keys).type == "cuda"
    return make_subclass(
        cls,
        elem,
        require_grad,
        dispatch_device=dispatch_device and not ours,
        device_for_backend_keys=device_for_backend_keys,
        **others,
    )


def _swap_tensors(one: Tensor, other: Tensor) -> None:
    """As it is, without its refusal of weak references: FakeTensorMode holds some."""
    one.__class__, other.__class__ = other.__class__, one.__class__
    one.__dict__, other.__dict__ = other.__dict__, one.__dict__
    torch._C._swap_tensor_impl(one, other)


def _apply(network: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """As it is, but a network that moves to the device keeps its parameters, as it does on a real one."""
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return cast(nn.Module, apply(network, *args, **kwargs))
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def _outside(function: Callable[..., Any]) -> Callable[..., Any]:
    """As it is outside of a FakeTensorMode."""

    def called(*args: Any, **kwargs: Any) -> Any:
        with _disable_current_modes():
            return function(*args, **kwargs)

    return called
