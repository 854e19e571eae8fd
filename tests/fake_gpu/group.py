"""One rank of a group whose other ranks are not there: torch's fake process group, and DDP without its C++ part."""

from __future__ import annotations

import os
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from tests.fake_gpu.mode import FakeGpu


def pretend_a_group(gpu: FakeGpu, world_size: int) -> None:
    """Makes this process rank 0 of so many, for the rest of its life; nothing is sent, nobody is waited for.

    DDP runs as it is written in Python. Its reducer, which is C++ and looks into the memory of gradients, does nothing,
    as a mean over equal ranks would.
    """
    launched = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": world_size, "LOCAL_WORLD_SIZE": world_size}
    os.environ |= {name: str(value) for name, value in launched.items()}
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=world_size)
    reducer = mock.Mock()
    reducer._rebuild_buckets.return_value = False

    def broadcast(objects: list[Any], *args: Any, **kwargs: Any) -> None:
        gpu.ledger.wait("exchange of objects")  # with NCCL they pass through the device

    def gather(gathered: list[Any], own: Any, *args: Any, **kwargs: Any) -> None:
        gpu.ledger.wait("exchange of objects")
        gathered[:] = [own] * len(gathered)

    changes = {
        torch.nn.parallel.distributed: {
            "_verify_param_shape_across_processes": mock.Mock(),
            "_sync_module_states": mock.Mock(),
        },
        dist: {
            "Reducer": mock.Mock(return_value=reducer),
            "Logger": mock.Mock(),
            "broadcast_object_list": broadcast,
            "all_gather_object": gather,
        },
    }
    for module, new in changes.items():
        for name, value in new.items():
            setattr(module, name, value)
