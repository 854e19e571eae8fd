"""Starting programs as a user would, with one, two or more CPU processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TIMEOUT_SECONDS = 1200


def environment() -> dict[str, str]:
    """The test's environment without what a launcher around it may have set."""
    kept = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")}
    return kept | {
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
        "PYTHONPATH": str(ROOT),  # torch-fidelity installs a package `tests` too
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }


def command(processes: int, script: str | Path, *args: str) -> list[str]:
    """The README's line for several CPU processes, or plain python for one."""
    if processes == 1:
        return [sys.executable, str(script), *args]
    return [
        str(BIN / "accelerate"),
        "launch",
        "--multi_gpu",
        "--num_processes",
        str(processes),
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
        str(script),
        *args,
    ]


def run(command_line: list[str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs to the end and returns output and exit code, without raising."""
    return subprocess.run(
        command_line, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )


def launch(processes: int, script: str | Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs a script with so many processes and shows its output if it fails."""
    done = run(command(processes, script, *args))
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def with_shared_memory(size: str, line: str) -> list[str]:
    """A shell line in a mount namespace of its own, whose /dev/shm has so much room; `size` as of mount, e.g. 64k."""
    mounted = f"mount -t tmpfs -o size={size} tmpfs /dev/shm && {line}"
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted]


def can_mount() -> bool:
    """Whether this machine lets us have a mount namespace; many containers do not."""
    try:
        return run(with_shared_memory("64k", "true")).returncode == 0
    except OSError:
        return False
