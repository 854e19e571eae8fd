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
