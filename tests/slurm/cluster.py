"""A real Slurm cluster of two virtual nodes on this machine, as an object for tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.launching import BIN, ROOT, environment

SCRIPT = Path(__file__).with_name("cluster.sh")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
INSTALL = "apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge"
SBIN = "/usr/sbin:/sbin"
PATIENCE_SECONDS = 900.0
"""Of every wait: so long that only what never comes is missed, on a slow machine with other work beside too."""


def missing_programs() -> list[str]:
    """What a cluster needs and this machine lacks."""
    path = f"{os.environ['PATH']}:{SBIN}"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def has_signal(process: psutil.Process) -> bool:
    """Whether a suspended process was sent a signal: one is waiting, or it woke it up, or it is no more."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return True
    pending = [int(mask, 16) for mask in re.findall(r"^(?:Shd|Sig)Pnd:\s*(\w+)", status, re.MULTILINE)]
    return any(pending) or re.search(r"^State:\s*T", status, re.MULTILINE) is None


class Cluster:
    """Starts when built; `close` ends everything that it started.

    Args:
        settings: of tests/slurm/cluster.sh, e.g. SC_GRACE.
    """

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm.", dir="/tmp"))  # unix sockets want a short path
        self.settings = settings
        self._control("start")
        self.nodes = (self.folder / "run" / "nodes").read_text().split()

    def close(self) -> None:
        """Stops the daemons and whatever jobs are left."""
        self._control("stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """For commands on the login node; jobs inherit it."""
        return environment() | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "GLOO_SOCKET_IFNAME": "lo",
            "WANDB_MODE": "offline",
            "BACKOFF_SECONDS": "1",
            "CGAN_DIST_SETUP": f"export PATH={BIN}:$PATH",
        }

    def run(self, *command: str, check: bool = True, **more: str) -> str:
        """Runs a command of a user on the login node, in the repository, and returns what it prints."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment | more, capture_output=True, text=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + ("" if check else done.stderr)

    def job(self, number: str) -> dict[str, str]:
        """What Slurm says about a job."""
        return dict(
            re.findall(r"(\w+)=(\S*)", self.run("scontrol", "show", "job", number, "--oneliner").splitlines()[0])
        )

    def state(self, number: str) -> str:
        """The job's state, e.g. RUNNING."""
        return self.job(number)["JobState"]

    def node_state(self, node: int) -> str:
        """Of a node, counted from 1, e.g. IDLE or DOWN+COMPLETING+NOT_RESPONDING, for which sinfo says completing."""
        text = self.run("scontrol", "show", "node", self.nodes[node - 1], "--oneliner")
        return re.findall(r" State=(\S+)", text)[0]

    def wait(self, what: str, condition: Callable[[], bool], log: Path | None = None) -> None:
        """Waits until something is so, and fails with the queue and a log if it does not become so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                tail = log.read_text()[-4000:] if log and log.exists() else ""
                raise AssertionError(f"in vain: {what}\n{self.run('squeue')}\n{tail}")
            time.sleep(0.2)

    def wait_for_end(self, number: str, log: Path | None = None) -> dict[str, str]:
        """Waits until a job is over for good and returns what Slurm says about it."""
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        self.wait(f"job {number} ends", lambda: self.state(number) in ended, log=log)
        return self.job(number)

    def warn(self, number: str) -> None:
        """Sends what Slurm sends before a time limit; scancel may ask to try again although it was sent."""
        self.run("scancel", "--batch", "--signal=USR1", number, check=False)

    def checks(self) -> list[psutil.Process]:
        """The processes of jobs that are at their check of config and shards."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if {"cgan_dist", "run-folder"} <= set(process.info["cmdline"] or []) and "bash" not in process.name()
        ]

    def ranks(self) -> list[psutil.Process]:
        """The training processes of all jobs, launchers left out."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            own = process.info["environ"] or {}
            if (
                own.get("SLURM_CONF") == str(self.folder / "slurm.conf")
                and "RANK" in own
                and "train" in (process.info["cmdline"] or [])
            ):
                found.append(process)
        return found

    @contextmanager
    def held_until_told(self, processes: list[psutil.Process]) -> Iterator[None]:
        """Inside the block processes stand still; they go on when what the block asked for has sent them a signal."""
        for process in processes:
            process.suspend()
        yield
        self.wait("a signal", lambda: any(has_signal(process) for process in processes))
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def crash(self, node: int) -> None:
        """A node loses power: its daemon and all processes of its jobs are killed."""
        self._control("crash", str(node))

    def boot(self, node: int) -> None:
        """The node comes back."""
        self._control("boot", str(node))

    def _control(self, what: str, *more: str) -> None:
        done = subprocess.run(
            [str(SCRIPT), what, str(self.folder), *more],
            env=os.environ | self.settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
