from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch

from cgan_dist.config import Config
from cgan_dist.dry_run import dry_run
from cgan_dist.types import Batch


def test_the_fake_batch_is_on_the_device_of_the_networks(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[str] = []

    def iterate(batches: Iterator[Batch], images_seen: int) -> None:
        devices.extend(tensor.device.type for tensor in next(batches))

    step = SimpleNamespace(iterate=iterate, meter=SimpleNamespace(means=dict))
    monkeypatch.setattr("cgan_dist.dry_run.build_accelerator", lambda *_: SimpleNamespace(device=torch.device("meta")))
    monkeypatch.setattr("cgan_dist.dry_run.build_step", lambda *_: step)
    dry_run(make_config(), 1)
    assert devices == ["meta", "meta"]
