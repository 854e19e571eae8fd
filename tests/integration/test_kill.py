"""kill -9 in the middle, then the same command again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import torch

from cgan_dist.checkpoints.store import Checkpoint, find_checkpoint
from tests.launching import ROOT, command, environment, launch

TRAIN = ROOT / "launch" / "train.py"
TOTAL = 1600


def images_logged(run: Path) -> list[int]:
    path = run / "metrics.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [json.loads(line)["images"] for line in lines]


def states(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    found = {
        f"{net}.{name}": value
        for net in ("generator", "discriminator", "ema")
        for name, value in checkpoint.tensors(net).items()
    }
    found |= {f"objective.{name}": value for name, value in checkpoint.tensors("objective").items()}
    found |= {f"statistics.{name}": value for name, value in checkpoint.tensors("statistics").items()}
    names = sorted(path.stem for path in checkpoint.folder.glob("optimizer_*.pt"))
    assert {"optimizer_g_adam", "optimizer_d_adam"} <= set(names)
    for name in names:
        for index, values in checkpoint.optimizer(name)["state"].items():
            found |= {f"{name}.{index}.{key}": torch.as_tensor(value) for key, value in values.items()}
    return found


@pytest.mark.parametrize(
    ("processes", "workers"),
    [(1, 2), pytest.param(2, 0, marks=pytest.mark.long), pytest.param(4, 0, marks=pytest.mark.long)],
)
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(
    config_file: Path, tmp_path: Path, processes: int, workers: int
) -> None:
    arguments = [
        f"data.workers={workers}",
        "--config",
        str(config_file),
        f"train.total_images={TOTAL}",
        "checkpoint.interval_images=160",
    ]
    run = tmp_path / "runs" / "killed"
    for kill_after in (400, 900):
        line = command(processes, TRAIN, *arguments, "run.name=killed")
        process = subprocess.Popen(
            line, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 900
        while not any(images >= kill_after for images in images_logged(run)):
            assert time.monotonic() < deadline, "the run does not get on"
            assert process.poll() is None, "the run ended before it was killed"
            time.sleep(0.005)
        for victim in [*psutil.Process(process.pid).children(recursive=True), process]:
            victim.kill()
        process.wait()
        assert images_logged(run)[-1] < TOTAL
    launch(processes, TRAIN, *arguments, "run.name=killed")
    assert images_logged(run) == list(range(16, TOTAL + 1, 16))

    launch(processes, TRAIN, *arguments, "run.name=straight")
    killed, straight = states(find_checkpoint(run)), states(find_checkpoint(tmp_path / "runs" / "straight"))
    assert killed.keys() == straight.keys()
    different = [name for name in straight if not torch.equal(killed[name], straight[name])]
    assert different == []
    assert losses(run) == pytest.approx(losses(tmp_path / "runs" / "straight"), abs=1e-12)


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss/d"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_signal_to_everyone_checkpoints_although_loader_workers_get_it_too(
    config_file: Path, tmp_path: Path, processes: int
) -> None:
    """A scheduler signals the process group; torch's launcher signals each rank's."""
    run = tmp_path / "runs" / "test"
    line = command(
        processes,
        TRAIN,
        "--config",
        str(config_file),
        "train.total_images=10000000",
        "data.workers=2",
        "checkpoint.interval_images=10000000",
    )
    process = subprocess.Popen(
        line,
        cwd=ROOT,
        env=environment(),
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + 900
    while len(images_logged(run)) < 5:
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=900)
    assert "received SIGTERM" in output, output
    assert json.loads((run / "REQUEUE").read_text())["reason"] == "received SIGTERM"
    stopped_at = find_checkpoint(run).images_seen
    assert stopped_at >= images_logged(run)[-1] > 0
    total = (stopped_at // 16 + 4) * 16
    launch(processes, TRAIN, "--config", str(config_file), f"train.total_images={total}", "data.workers=2")
    assert not (run / "REQUEUE").exists()
    assert images_logged(run) == list(range(16, total + 1, 16))
