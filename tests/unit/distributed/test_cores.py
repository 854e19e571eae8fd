"""Cores as taskset, Slurm and containers leave them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cgan_dist.distributed import cores
from cgan_dist.distributed.cores import usable_cores
from tests.launching import ROOT, environment


@pytest.fixture
def linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 cores whose control groups are files below this folder."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "OWN_CGROUPS", tmp_path / "own")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_control_groups_there_is_what_the_process_may_run_on(linux: Path) -> None:
    assert usable_cores() == 64


@pytest.mark.parametrize(
    ("quota", "found"),
    [("max 100000", 64), ("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("x", 64), ("1 0", 64)],
)
def test_a_containers_quota_counts(linux: Path, quota: str, found: int) -> None:
    write(linux / "own", "0::/\n")
    write(linux / "cpu.max", f"{quota}\n")
    assert usable_cores() == found


def test_the_least_of_the_groups_around_it_counts(linux: Path) -> None:
    write(linux / "own", "0::/slurm/job_7/step_0\n")
    write(linux / "slurm" / "job_7" / "cpu.max", "300000 100000\n")
    write(linux / "slurm" / "job_7" / "step_0" / "cpu.max", "max 100000\n")
    write(linux / "cpu.max", "800000 100000\n")
    assert usable_cores() == 3


@pytest.mark.parametrize(("quota", "found"), [("400000", 4), ("-1", 64)])
def test_older_control_groups_count(linux: Path, quota: str, found: int) -> None:
    write(linux / "own", "2:cpuacct:/\n1:cpu,cpuacct:/docker/ab\n")
    write(linux / "cpu" / "docker" / "ab" / "cpu.cfs_quota_us", quota)
    write(linux / "cpu" / "docker" / "ab" / "cpu.cfs_period_us", "100000")
    assert usable_cores() == found


def test_more_than_there_are_cannot_be_bought(linux: Path) -> None:
    write(linux / "own", "0::/\n")
    write(linux / "cpu.max", "9900000 100000\n")
    assert usable_cores() == 64


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux lets a process choose its cores")
def test_a_process_on_one_core_finds_one() -> None:
    one = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    asks = f"{one}; from cgan_dist.distributed.cores import usable_cores; print(usable_cores())"
    done = subprocess.run(
        [sys.executable, "-c", asks], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
