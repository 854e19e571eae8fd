"""What the arithmetic of metrics is done with: a device that has float64, and threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from cgan_dist.distributed.cores import usable_cores


@contextlib.contextmanager
def lent_threads() -> Iterator[None]:
    """Within, torch has the CPU threads of all processes of this machine: for one that works while the others wait.

    A launcher gives each process a part of the cores, and most of them one.
    """
    own = torch.get_num_threads()
    torch.set_num_threads(max(own, min(own * int(os.environ.get("LOCAL_WORLD_SIZE", "1")), usable_cores())))
    try:
        yield
    finally:
        torch.set_num_threads(own)


def float64_device(device: torch.device) -> torch.device:
    """Returns the device if it is sure to have float64, as the GPUs of CUDA and ROCm are, else the CPU.

    Apple's GPUs have none, nor have some of Intel's.
    """
    return device if device.type == "cuda" else torch.device("cpu")
