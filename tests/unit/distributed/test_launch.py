from __future__ import annotations

import pytest
import torch

from cgan_dist.distributed.launch import check_launched, computes_slowly
from cgan_dist.errors import UserError


@pytest.mark.parametrize(("asked", "started"), [(None, "2"), ("2", "2")])
def test_as_many_processes_as_the_job_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, started: str
) -> None:
    if asked is None:
        monkeypatch.delenv("CGAN_DIST_PROCESSES", raising=False)
    else:
        monkeypatch.setenv("CGAN_DIST_PROCESSES", asked)
    monkeypatch.setenv("WORLD_SIZE", started)
    check_launched()


def test_a_launcher_that_starts_fewer_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`accelerate launch --cpu --num_processes 4` starts one process on each node, and each would train alone."""
    monkeypatch.setenv("CGAN_DIST_PROCESSES", "4")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(UserError, match="asked for 4 processes, but this one was started as one of 1"):
        check_launched()


@pytest.mark.parametrize(
    ("precision", "has_instructions", "slowly"),
    [("bf16", False, True), ("bf16", True, False), ("no", False, False), ("fp16", False, False)],
)
def test_bf16_is_slow_on_a_cpu_without_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, precision: str, has_instructions: bool, slowly: bool
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has_instructions)
    assert computes_slowly(precision) == slowly


def test_a_gpu_is_not_slow_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert not computes_slowly("bf16")
