"""Passes of D whose derivative is differentiated again: uncompiled, and in float32 where other passes are in fp16."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

IN_FLOAT32 = "in_float32"


@contextlib.contextmanager
def second_derivative(D: nn.Module) -> Iterator[None]:
    """Within, D may be called for logits whose derivative is differentiated again.

    What torch.compile makes has one derivative only, so D runs as it is written; calls outside stay compiled, and both
    kinds may meet in one loss. Fused attention has one derivative too, so here it is written out. A D that
    `leaves_autocast_` also runs in float32.

    Args:
        D: raw or in DDP, compiled or not.
    """
    raw = D.module if isinstance(D, nn.parallel.DistributedDataParallel) else D
    with torch.compiler.set_stance("force_eager"), sdpa_kernel(SDPBackend.MATH):
        setattr(raw, IN_FLOAT32, True)
        try:
            yield
        finally:
            setattr(raw, IN_FLOAT32, False)


def leaves_autocast_(D: nn.Module, device_type: str) -> None:
    """Lets `second_derivative` run D in float32, in place.

    Autocast is entered in the forward pass that Accelerate wraps, so it can only be left further inside: call this
    before D is prepared.

    Args:
        D: raw, with parameters in float32.
        device_type: of its device, as autocast takes it.
    """
    forward = D.forward

    def forward_in_its_precision(*args: Any, **kwargs: Any) -> Any:
        if not getattr(D, IN_FLOAT32):
            return forward(*args, **kwargs)
        with torch.autocast(device_type, enabled=False):
            return forward(*args, **kwargs)

    setattr(D, IN_FLOAT32, False)
    D.forward = forward_in_its_precision
