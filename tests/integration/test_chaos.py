"""The chaos test: a run that is killed again and again ends with the very numbers it would have had.

Thirty times (`CHAOS_KILLS`, which CI sets to ten), at random moments, checkpoint writing included: SIGKILL to one rank
or to all, or SIGTERM to the launcher.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import torch

from cgan_dist.checkpoints.store import find_checkpoint
from tests.integration.test_kill import images_logged, states
from tests.launching import ROOT, command, environment, launch

TRAIN = ROOT / "launch" / "train.py"
KILLS = int(os.environ.get("CHAOS_KILLS", "30"))
IMAGES_PER_LINE = 16
TOTAL = 640 * KILLS


def options(config_file: Path, name: str) -> list[str]:
    """Batch norm in both networks, LeCam and augmentation: everything that has state or draws."""
    return [
        "--config",
        str(config_file),
        f"run.name={name}",
        f"train.total_images={TOTAL}",
        "checkpoint.interval_images=96",
        "sample.interval_images=3200",
        "data.augment=[translation, flip]",
        "loss.penalties={lecam: 0.1}",
        "optim.tables=rows",
    ]


def ranks_of(launcher: psutil.Process) -> list[psutil.Process]:
    found = []
    for process in launcher.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "train.py" in " ".join(process.cmdline()):
                found.append(process)
    return found


def strike(process: subprocess.Popen[bytes], chance: random.Random) -> str:
    """Ends a running training in one of three ways, and everything that is left of it."""
    way = chance.choice(["one rank", "all ranks", "SIGTERM"])
    victims: list[psutil.Process] = []
    try:
        launcher = psutil.Process(process.pid)
        victims = ranks_of(launcher)
        if way == "SIGTERM":
            launcher.send_signal(signal.SIGTERM)
        for victim in victims[: {"one rank": 1, "all ranks": 2, "SIGTERM": 0}[way]]:
            victim.kill()
    except psutil.NoSuchProcess:
        way = "ended by itself"
    process.wait(timeout=900)
    _, alive = psutil.wait_procs(victims, timeout=900)
    assert not alive, "a rank outlived its launcher"
    return way


@pytest.mark.long
@pytest.mark.timeout(4000)
def test_kills_change_nothing(config_file: Path, tmp_path: Path) -> None:
    run, chance = tmp_path / "runs" / "chaos", random.Random(0)
    struck: list[tuple[str, int]] = []
    for _ in range(KILLS):
        before = images_logged(run)[-1] if images_logged(run) else 0
        goal = before + chance.randrange(32, 800)
        line = command(2, TRAIN, *options(config_file, "chaos"))
        with (tmp_path / "chaos.log").open("ab") as log:
            process = subprocess.Popen(line, cwd=ROOT, env=environment(), stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 900
        while process.poll() is None and not any(images >= goal for images in images_logged(run)[-3:]):
            assert time.monotonic() < deadline, (tmp_path / "chaos.log").read_text()[-4000:]
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.05))
        struck.append((strike(process, chance), images_logged(run)[-1]))
        if process.returncode == 0 and images_logged(run)[-1] >= TOTAL:
            break
    launch(2, TRAIN, *options(config_file, "chaos"))
    launch(2, TRAIN, *options(config_file, "straight"))
    assert {way for way, _ in struck} >= {"one rank", "all ranks", "SIGTERM"}
    assert len(struck) == KILLS, struck
    assert images_logged(run) == list(range(IMAGES_PER_LINE, TOTAL + 1, IMAGES_PER_LINE))
    chaos, straight = find_checkpoint(run), find_checkpoint(tmp_path / "runs" / "straight")
    ours, theirs = states(chaos), states(straight)
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    assert not list((run / "checkpoints").glob("*.tmp"))
