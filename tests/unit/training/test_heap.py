from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from cgan_dist.training.heap import keep_freed_memory

TOUCH = """
import resource, sys, torch
from cgan_dist.training.heap import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(60):  # at first the heap grows: what was freed may be some bytes too small for the next one, aligned
    torch.ones(2**24)  # 64 MiB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_faulted(how: str) -> int:
    """Pages that the kernel had to hand out for tensors as large as those that were freed just before."""
    run = subprocess.run([sys.executable, "-c", TOUCH, how], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_freed_memory_is_used_again() -> None:
    usual, kept = pages_faulted("usual"), pages_faulted("kept")
    assert 4 * kept < usual


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
