"""While rank 0 computes metrics the other waits, however long that takes, and ends when rank 0 does."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launching import ROOT, TIMEOUT_SECONDS, environment

SCRIPT = Path(__file__).with_name("waiting_script.py")


def two_processes(shards: Path, how: str) -> list[subprocess.CompletedProcess[str]]:
    """Without a launcher, which would end the other one and has an exit code of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    line = [sys.executable, str(SCRIPT), str(shards), how]
    ours = environment() | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(
            line,
            cwd=ROOT,
            env=ours | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        said = [rank.communicate(timeout=TIMEOUT_SECONDS) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    return [subprocess.CompletedProcess(line, rank.returncode, *text) for rank, text in zip(ranks, said, strict=True)]


@pytest.mark.slow
def test_a_metric_may_take_longer_than_a_collective(shards_folder: Path) -> None:
    main, other = two_processes(shards_folder, "works")
    assert (main.returncode, other.returncode) == (0, 0), main.stderr + other.stderr
    assert main.stdout == other.stdout == "{'alone': 203.0}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "codes", "word"),
    [
        ("refuses", (2, 2), "alone: found too few images."),
        ("breaks", (1, 2), "Rank 0 failed: ZeroDivisionError: a bug in a plug-in"),
        ("dies", (-signal.SIGKILL, 2), "Rank 0 is gone"),
    ],
)
def test_if_rank_0_ends_in_a_metric_the_other_ends_with_a_word(
    shards_folder: Path, how: str, codes: tuple[int, int], word: str
) -> None:
    main, other = two_processes(shards_folder, how)
    assert (main.returncode, other.returncode) == codes, main.stderr + other.stderr
    assert f"Error (rank 1): {word}" in other.stderr
