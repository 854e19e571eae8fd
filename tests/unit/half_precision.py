"""fp16 on a CPU: Accelerate enters no autocast there, PyTorch has one; all else is what a GPU runs."""

from __future__ import annotations

import pytest
from accelerate import Accelerator

from cgan_dist.distributed.group import build_accelerator


def half_precision_accelerator() -> Accelerator:
    """An Accelerator as of `train.precision: fp16`, on the CPU."""
    accelerator = build_accelerator("fp16")
    accelerator.native_amp = True  # what Accelerate sets on a GPU: `prepare` wraps forward passes in autocast
    return accelerator


def accelerator_of(precision: str, *others: bool) -> Accelerator:
    """An Accelerator of any precision; `others` as `build_accelerator` takes them."""
    return half_precision_accelerator() if precision == "fp16" else build_accelerator(precision, *others)


def allow_fp16_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets whole runs, started in this process, train in fp16."""
    monkeypatch.setattr("cgan_dist.assembly.inputs.resolve_precision", lambda precision: precision)
    for room in ("trainer", "dry_run"):
        monkeypatch.setattr(f"cgan_dist.assembly.{room}.build_accelerator", accelerator_of)
