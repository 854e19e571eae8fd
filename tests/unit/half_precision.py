"""fp16 on a CPU: Accelerate enters no autocast there, PyTorch has one; all else is what a GPU runs."""

from __future__ import annotations

import pytest
from accelerate import Accelerator

from cgan_dist import distributed


def half_precision_accelerator() -> Accelerator:
    """An Accelerator as of `train.precision: fp16`, on the CPU."""
    accelerator = distributed.build_accelerator("fp16")
    accelerator.native_amp = True  # what Accelerate sets on a GPU: `prepare` wraps forward passes in autocast
    return accelerator


def accelerator_of(precision: str, tf32: bool = True) -> Accelerator:
    """An Accelerator of any precision."""
    return half_precision_accelerator() if precision == "fp16" else distributed.build_accelerator(precision, tf32)


def allow_fp16_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets whole runs, started in this process, train in fp16."""
    monkeypatch.setattr("cgan_dist.inputs.resolve_precision", lambda precision: precision)
    for room in ("build", "dry_run"):
        monkeypatch.setattr(f"cgan_dist.{room}.build_accelerator", accelerator_of)
