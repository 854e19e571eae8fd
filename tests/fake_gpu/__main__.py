"""`python -m tests.fake_gpu FAMILY`: prints the report of each case of a family, as a line of JSON."""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.pop("ACCELERATE_USE_CPU", None)

import torch

from tests.fake_gpu.cases import FAMILIES
from tests.fake_gpu.device import pretend_a_gpu
from tests.fake_gpu.group import pretend_a_group
from tests.fake_gpu.mode import FakeGpu
from tests.fake_gpu.run import Runner


def main(family: str) -> None:
    """Runs all cases of a family; the device is there for the whole process."""
    torch.set_num_threads(1)
    gc.disable()  # a seventh of the time, for tensors without content
    chosen = FAMILIES[family]
    gpu = FakeGpu()
    pretend_a_gpu(gpu)
    if chosen.world_size > 1:
        pretend_a_group(gpu, chosen.world_size)
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(gpu, chosen.world_size, Path(folder))
        for case in chosen.cases:
            sys.stdout.write(f"{json.dumps(runner.report(case))}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
