"""What a run does about gradients that are not finite, and about being asked to stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from cgan_dist.checkpoints.store import find_checkpoint
from tests.integration.conftest import Cli
from tests.integration.test_kill import images_logged
from tests.launching import ROOT, command, environment

TRAIN = ROOT / "launch" / "train.py"
POISONED = "loss.adversarial=tests.poison:Poisoned"


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_an_update_that_is_not_finite_is_skipped_and_counted(
    cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISON", "3-4")
    result = cli("train", "--config", config_file, POISONED)
    assert result.exit_code == 0, result.output
    logged = lines(tmp_path / "runs" / "test")
    assert [line["skipped/d"] for line in logged] == [0, 1, 0, 0]  # two of two updates in the second line
    assert [line["skipped/g"] for line in logged] == [0, 0, 0, 0]
    assert all(value == value for line in logged for value in line.values())  # no NaN
    tensors = find_checkpoint(tmp_path / "runs" / "test").tensors("discriminator")
    assert all(torch.isfinite(value).all() for value in tensors.values())


@pytest.mark.parametrize("balance", ["none", "uniform"])
def test_a_run_that_diverges_goes_back_and_on_with_other_draws(
    cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, balance: str
) -> None:
    monkeypatch.setenv("POISON", "30-50")
    options = ("train.total_images=512", "guard.skips_in_a_row=4", f"data.balance={balance}")
    result = cli("train", "--config", config_file, POISONED, *options)
    assert result.exit_code == 0, result.output
    run = tmp_path / "runs" / "test"
    book = json.loads((run / "guard.json").read_text())["rollbacks"]
    assert book[0]["network"] == "discriminator"
    assert book[0]["images_back"] < book[0]["images_seen"]
    assert [line["images"] for line in lines(run)] == list(range(16, 513, 16))
    assert "Rolled back" in (run / "alerts.jsonl").read_text()
    assert find_checkpoint(run).images_seen == 512


def test_a_run_that_diverges_again_and_again_ends_with_a_diagnosis(
    cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISON", "30-100000")
    options = ("train.total_images=5120", "guard={skips_in_a_row: 4, max_rollbacks: 2}")
    result = cli("train", "--config", config_file, POISONED, *options)
    assert result.exit_code == 2
    assert "Training diverged: 4 or more updates of the discriminator in a row" in result.output
    assert "try: optim.lr=0.0001" in result.output
    assert len(json.loads((tmp_path / "runs" / "test" / "guard.json").read_text())["rollbacks"]) == 2
    assert cli("resume-info", tmp_path / "runs" / "test").exit_code == 0


def test_divergence_before_the_first_checkpoint_is_told(
    cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISON", "1-100000")
    options = ("train.total_images=5120", "guard.skips_in_a_row=4", "checkpoint.interval_images=5120")
    result = cli("train", "--config", config_file, POISONED, *options)
    assert result.exit_code == 2
    assert "There is no checkpoint to go back to" in result.output


@pytest.mark.parametrize(("text", "requeue"), [("", False), ("requeue", True)])
def test_a_stop_file_stops_the_run_with_a_checkpoint(
    cli: Cli, config_file: Path, tmp_path: Path, text: str, requeue: bool
) -> None:
    run = tmp_path / "runs" / "test"
    line = [sys.executable, str(TRAIN), "--config", str(config_file), "train.total_images=10000000"]
    process = subprocess.Popen(line, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(lambda: len(images_logged(run)) > 2)
    (run / "STOP").write_text(text)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output.decode()
    stopped_at = find_checkpoint(run).images_seen
    assert f"Stopping at {stopped_at:,} images: there is a file" in output.decode()
    assert [(run / "REQUEUE").exists(), (run / "STOPPED").exists()] == [requeue, not requeue]
    assert cli("train", "--config", config_file, f"train.total_images={stopped_at + 16}").exit_code == 0
    assert not (run / "STOP").exists()
    assert not any((run / mark).exists() for mark in ("REQUEUE", "STOPPED"))


@pytest.mark.long
def test_a_launcher_that_may_restart_goes_on_by_itself_after_a_rank_was_killed(
    config_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "test"
    line = command(2, TRAIN, "--config", str(config_file), "train.total_images=3200", "checkpoint.interval_images=160")
    line[line.index("--multi_gpu") : line.index("--multi_gpu")] = ["--max_restarts", "1"]
    process = subprocess.Popen(line, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(lambda: len(images_logged(run)) > 15)
    ranks = [p for p in psutil.Process(process.pid).children(recursive=True) if "train.py" in " ".join(p.cmdline())]
    ranks[-1].kill()
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output.decode()
    assert images_logged(run) == list(range(16, 3201, 16))
    assert "Going on from" in output.decode()


def wait_for(condition: object, seconds: float = 900) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"waited in vain; pid {os.getpid()}"
        time.sleep(0.02)
