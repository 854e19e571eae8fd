from __future__ import annotations

import pytest
import torch

from cgan_dist.distributed import group
from cgan_dist.distributed.group import without_tf32
from cgan_dist.errors import UserError


@pytest.fixture
def restarted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A process that a launcher has started again; the backends by which it joins."""
    joined: list[str] = []
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(group, "rendezvous", lambda *_, **__: iter([(torch.distributed.HashStore(), 0, 2)]))
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda backend, **_: joined.append(backend))
    monkeypatch.setattr(torch.distributed, "is_backend_available", lambda backend: True)
    return joined


@pytest.mark.parametrize(
    ("accelerator", "use_cpu", "backend"),
    [("cuda", "", "nccl"), ("xpu", "", "xccl"), (None, "", "gloo"), ("cuda", "true", "gloo"), ("mps", "", "gloo")],
)
def test_processes_that_start_again_join_by_the_backend_of_their_device(
    restarted: list[str], monkeypatch: pytest.MonkeyPatch, accelerator: str | None, use_cpu: str, backend: str
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", use_cpu)
    device = None if accelerator is None else torch.device(accelerator)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: device)
    group._rejoin_after_restart()
    assert restarted == [backend]


@pytest.mark.parametrize(("kind", "message"), [("xpu", "has no xccl"), ("mtia", "has nothing")])
def test_a_device_without_a_backend_is_refused_by_name(
    restarted: list[str], monkeypatch: pytest.MonkeyPatch, kind: str, message: str
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device(kind))
    monkeypatch.setattr(torch.distributed, "is_backend_available", lambda backend: False)
    with pytest.raises(
        UserError, match=f"--max_restarts: found a restart on {kind}, and this PyTorch {message} to join"
    ):
        group._rejoin_after_restart()
    assert restarted == []


def test_a_first_start_joins_as_accelerate_does(restarted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    group._rejoin_after_restart()
    assert restarted == []


@pytest.mark.parametrize("given", [True, False])
def test_without_tf32_all_else_of_cudnn_stays_as_it_was(monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    cudnn = torch.backends.cudnn
    settings = ("enabled", "benchmark", "deterministic")
    for setting in (*settings, "allow_tf32"):
        monkeypatch.setattr(cudnn, setting, given)
    before, precision = torch.get_float32_matmul_precision(), "high" if given else "highest"
    torch.set_float32_matmul_precision(precision)
    try:
        with without_tf32():
            assert [getattr(cudnn, setting) for setting in settings] == [given] * 3
            assert not cudnn.allow_tf32
            assert torch.get_float32_matmul_precision() == "highest"
        assert [getattr(cudnn, setting) for setting in (*settings, "allow_tf32")] == [given] * 4
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)
