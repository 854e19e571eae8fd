"""Where a config is to train: this machine's device, or another one that is named."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from cgan_dist.distributed.launch import local_device
from cgan_dist.errors import UserError

GIB = 2**30
ASSUMED_GIB = 16.0
USE_CPU = "ACCELERATE_USE_CPU"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Of one process.

    Attributes:
        is_gpu: whether it is one.
        is_here: whether steps can be measured.
        memory_bytes: of a GPU.
        name: for a person.
    """

    is_gpu: bool
    is_here: bool
    memory_bytes: float
    name: str

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Within, what is built is on this device: Accelerate takes a GPU where there is one, unless told so."""
        before = os.environ.get(USE_CPU)
        if not self.is_gpu:
            os.environ[USE_CPU] = "true"
        try:
            yield
        finally:
            if not self.is_gpu:
                os.environ.pop(USE_CPU)
            if before is not None:
                os.environ[USE_CPU] = before


def find_machine(asked: str | None) -> Machine:
    """The device that training would take here, or the one asked for.

    Args:
        asked: `cpu`, `gpu`, or `gpu:24` of so many GiB; null is what is here.

    Raises:
        UserError: for anything else.
    """
    forbidden = os.environ.get(USE_CPU, "").lower() in ("1", "true", "yes")
    here = torch.device("cpu") if forbidden else local_device()
    if asked is None:
        asked = "cpu" if here.type == "cpu" else "gpu"
    if asked == "cpu":
        return Machine(is_gpu=False, is_here=True, memory_bytes=0, name="this machine's CPU")
    if asked == "gpu" and here.type == "cuda":
        total = torch.cuda.get_device_properties(here).total_memory
        return Machine(is_gpu=True, is_here=True, memory_bytes=total, name=torch.cuda.get_device_name(here))
    if asked == "gpu":
        name = f"a GPU of {ASSUMED_GIB:g} GiB, which is assumed (`--for gpu:24` says otherwise)"
        return Machine(is_gpu=True, is_here=here.type != "cpu", memory_bytes=ASSUMED_GIB * GIB, name=name)
    if given := re.fullmatch(r"gpu:(\d+(?:\.\d+)?)", asked):
        memory = float(given[1]) * GIB
        if memory > 0:
            return Machine(is_gpu=True, is_here=False, memory_bytes=memory, name=f"a GPU of {given[1]} GiB")
    raise UserError(f"--for: found '{asked}'; expected cpu, gpu, or gpu:24 for a GPU of 24 GiB.")
