"""The device that is not there: PyTorch's FakeTensorMode for what is on the GPU, while what is on the CPU is real."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_map_only

from tests.fake_gpu.answers import ANSWERS
from tests.fake_gpu.call import GPU, Call, is_on_gpu
from tests.fake_gpu.ledger import Ledger
from tests.fake_gpu.pinned import PinnedMemory
from tests.fake_gpu.python_calls import PythonCalls
from tests.fake_gpu.watcher import is_launched, watch


class FakeGpu(FakeTensorMode):
    """Within, tensors on `cuda` have everything but content, and what is done to them is noted.

    An operation on the CPU runs as ever. What is copied back from the device is zeros, so what follows on the CPU runs
    too: files, pictures and tables are written.

    Attributes:
        ledger: the page that is being written.
        pages: those that were opened, by name.
        pinned: memory of the host.
    """

    def __init__(self) -> None:
        super().__init__(allow_fallback_kernels=False, allow_non_fake_inputs=True)
        self.ledger = Ledger()
        self.pages: dict[str, Ledger] = {}
        self.pinned = PinnedMemory()
        self._python: list[PythonCalls] = []
        self._inside = False

    def __enter__(self) -> FakeGpu:
        self._python.append(PythonCalls())
        self._python[-1].__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._python.pop().__exit__(*error)

    @contextlib.contextmanager
    def page(self, name: str) -> Iterator[None]:
        """What is done within is noted on a page of its own."""
        before, self.ledger = self.ledger, Ledger()
        self.pages[name] = self.ledger
        try:
            yield
        finally:
            self.ledger = before

    def dispatch(
        self,
        func: OpOverload[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Every operation below autograd arrives here."""
        if self.in_kernel_invocation:
            return super().dispatch(func, types, args, kwargs or {})
        call = Call(func, types, tuple(args), dict(kwargs or {}))
        if call.device is not None and call.device.type == "meta":
            call.kwargs["device"] = GPU  # asked for `like` one of ours, which C++ believes to be on `meta`
        if self._inside:  # a part of what FakeTensorMode makes of an operation
            return self._faked(call)
        if not call.on_gpu and (call.device is None or call.device.type != "cuda"):
            return self._on_cpu(call)
        watch(call, self.ledger, self.pinned)
        self._inside = True
        try:
            with torch._C.DisableTorchFunction():  # decompositions are below autocast
                out = self._on_gpu(call)
        finally:
            self._inside = False
        self.ledger.operations += is_launched(call, out)
        return out

    def _on_cpu(self, call: Call) -> Any:
        """For real, but without a driver, which is what locks pages."""
        if call.name == "is_pinned":
            return call.args[0] in self.pinned
        if call.name == "_pin_memory":
            return self.pinned.pin(call.args[0].clone())
        pinned = call.kwargs.pop("pin_memory", None)
        made = call.func(*call.args, **call.kwargs)
        return self.pinned.pin(made) if pinned else made

    def _on_gpu(self, call: Call) -> Any:
        if call.name == "_to_copy" and not call.on_gpu:
            meta = call.func(*call.args, **call.kwargs | {"device": torch.device("meta")})
            return FakeTensor(self, meta, GPU)
        if call.name == "copy_" and not is_on_gpu(call.args[0]):
            return call.args[0].zero_()
        pinned = call.kwargs.pop("pin_memory", None) or call.kwargs.get("non_blocking")
        out = self._faked(call)
        if not isinstance(out, FakeTensor) or is_on_gpu(out):
            return out
        real = torch.empty_strided(out.shape, out.stride(), dtype=out.dtype).zero_()
        return self.pinned.pin(real) if pinned else real

    def _faked(self, call: Call) -> Any:
        answer = ANSWERS[call.name](call) if call.name in ANSWERS else NotImplemented
        if answer is not NotImplemented:
            return tree_map_only(Tensor, lambda t: t if is_on_gpu(t) else FakeTensor(self, t, GPU), answer)
        return super().dispatch(call.func, call.types, call.args, call.kwargs)
