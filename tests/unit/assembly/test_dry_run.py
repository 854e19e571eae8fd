from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch

from cgan_dist.assembly.dry_run import dry_run
from cgan_dist.config.document import Config
from cgan_dist.data.batch import Batch


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where the fake batches of a dry run were, whose step does nothing."""
    devices: list[str] = []

    def iterate(batches: Iterator[Batch], images_seen: int) -> None:
        devices.extend(tensor.device.type for tensor in next(batches))

    accelerator = SimpleNamespace(device=torch.device("meta"))
    step = SimpleNamespace(iterate=iterate, meter=SimpleNamespace(means=dict), accelerator=accelerator)
    monkeypatch.setattr("cgan_dist.assembly.dry_run.build_accelerator", lambda *_: accelerator)
    monkeypatch.setattr("cgan_dist.assembly.dry_run.build_step", lambda *_: step)
    return devices


@pytest.mark.parametrize("has_instructions", [False, True])
def test_where_bf16_is_slow_a_step_is_tried_in_float32(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, has_instructions: bool
) -> None:
    """A login node without AVX-512 took 25 minutes for one step of imagenet256.yaml, on four images."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has_instructions)
    entered = list[torch.dtype]()
    own = torch.autocast.__init__

    def watched(self: torch.autocast, *args: object, **kwargs: object) -> None:
        own(self, *args, **kwargs)  # type: ignore[arg-type]
        if self.fast_dtype == torch.bfloat16 and self._enabled:
            entered.append(self.fast_dtype)

    monkeypatch.setattr(torch.autocast, "__init__", watched)
    told = dry_run(make_config("train.precision=bf16"), 1)
    assert "precision bf16" in told
    assert ("in float32: this CPU has no AVX-512" in told) == (not has_instructions)
    assert bool(entered) == has_instructions


def test_the_fake_batch_is_on_the_device_of_the_networks(
    make_config: Callable[..., Config], devices: list[str]
) -> None:
    dry_run(make_config(), 1)
    assert devices == ["meta", "meta"]


@pytest.mark.usefixtures("devices")
def test_the_shares_of_balanced_classes_are_told(make_config: Callable[..., Config]) -> None:
    assert "\nbalance" not in dry_run(make_config(), 1)
    told = dry_run(make_config("data.balance=uniform"), 1)
    shares = next(line for line in told.splitlines() if line.startswith("balance"))
    assert re.findall(r"(\w+) 33\.3 %", shares) == ["rows", "columns", "flat"]
    assert re.search(r"exact in every [\d,]+ images of a stream$", shares)
