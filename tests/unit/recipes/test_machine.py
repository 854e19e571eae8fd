from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from cgan_dist.errors import UserError
from cgan_dist.recipes.machine import GIB, find_machine


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch finds a card of 24 GiB."""
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setattr("cgan_dist.recipes.machine.local_device", lambda: torch.device("cuda"))
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: SimpleNamespace(total_memory=24 * GIB))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "a card")


def test_here_is_a_cpu() -> None:
    for asked in (None, "cpu"):
        machine = find_machine(asked)
        assert (machine.is_gpu, machine.is_here, machine.name) == (False, True, "this machine's CPU")


@pytest.mark.usefixtures("a_gpu")
def test_a_gpu_that_is_here_is_taken() -> None:
    for asked in (None, "gpu"):
        machine = find_machine(asked)
        assert (machine.is_gpu, machine.is_here, machine.memory_bytes, machine.name) == (True, True, 24 * GIB, "a card")
    assert not find_machine("gpu:24").is_here


@pytest.mark.usefixtures("a_gpu")
def test_a_cpu_that_is_asked_for_is_used_beside_a_gpu_and_nothing_stays_changed() -> None:
    machine = find_machine("cpu")
    with machine.used():
        assert os.environ["ACCELERATE_USE_CPU"] == "true"
    assert "ACCELERATE_USE_CPU" not in os.environ
    with find_machine("gpu").used():
        assert "ACCELERATE_USE_CPU" not in os.environ


@pytest.mark.usefixtures("a_gpu")
def test_a_gpu_that_is_forbidden_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "yes")
    assert not find_machine(None).is_gpu
    assert not find_machine("gpu").is_here
    with find_machine("cpu").used():
        assert os.environ["ACCELERATE_USE_CPU"] == "true"
    assert os.environ["ACCELERATE_USE_CPU"] == "yes"


def test_a_gpu_elsewhere_has_the_memory_that_is_said() -> None:
    assert find_machine("gpu").memory_bytes == 16 * GIB
    assert find_machine("gpu:24").memory_bytes == 24 * GIB
    assert find_machine("gpu:7.5").name == "a GPU of 7.5 GiB"
    assert not find_machine("gpu:24").is_here


@pytest.mark.parametrize("asked", ["tpu", "gpu:", "gpu:0", "gpu:-1", "gpu:24GiB", "", "CPU"])
def test_any_other_word_is_refused(asked: str) -> None:
    with pytest.raises(UserError, match="^--for: found '.*'; expected cpu, gpu, or gpu:24"):
        find_machine(asked)
