"""Whole runs in fp16 with penalties, on a CPU: no GPU is needed to see scales, skips and checkpoints go together."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from cgan_dist.checkpoints.store import find_checkpoint
from tests.integration.conftest import Cli
from tests.unit.half_precision import allow_fp16_on_cpu

OPTIONS = (
    "train.precision=fp16",
    "loss.penalties={r1: 0.1, r2: 0.1, gp: 0.1}",
    "loss.lazy_updates=2",
    "discriminator.args.norm=none",
    "optim.tables=rows",
)


@pytest.fixture(autouse=True)
def _fp16_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    allow_fp16_on_cpu(monkeypatch)


@pytest.fixture
def _search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scales begin far too large and grow soon again, so that a short run has skips of all kinds."""
    monkeypatch.setattr(
        "cgan_dist.training.optimizer.GradScaler", partial(torch.amp.GradScaler, init_scale=2.0**30, growth_interval=3)
    )


@pytest.mark.usefixtures("_search")
def test_going_on_equals_never_having_stopped(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    arguments = ("train", "--config", config_file, *OPTIONS)
    assert cli(*arguments, "run.name=parts").exit_code == 0
    halfway = find_checkpoint(tmp_path / "runs" / "parts").state["scalers"]
    assert cli(*arguments, "run.name=parts", "train.total_images=160").exit_code == 0
    assert cli(*arguments, "run.name=whole", "train.total_images=160").exit_code == 0
    parts, whole = (find_checkpoint(tmp_path / "runs" / name) for name in ("parts", "whole"))
    for name in ("generator", "discriminator", "ema"):
        ours, theirs = parts.tensors(name), whole.tensors(name)
        assert [key for key in theirs if not torch.equal(ours[key], theirs[key])] == []
    for name in ("optimizer_g_adam", "optimizer_g_rows", "optimizer_d_adam", "optimizer_d_rows"):
        torch.testing.assert_close(parts.optimizer(name), whole.optimizer(name), rtol=0, atol=0)
    assert parts.state["scalers"] == whole.state["scalers"]
    assert halfway != whole.state["scalers"]
    assert set(halfway) == {"generator", "discriminator"}
    assert halfway["generator"]["scale"] != halfway["discriminator"]["scale"]


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_losses_and_penalties_are_those_of_float32(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    assert cli("train", "--config", config_file, *OPTIONS, "run.name=half").exit_code == 0
    AcceleratorState._reset_state(reset_partial_state=True)
    assert cli("train", "--config", config_file, *OPTIONS, "train.precision=no", "run.name=single").exit_code == 0
    half, single = (lines(tmp_path / "runs" / name) for name in ("half", "single"))
    names = [name for name in single[0] if name.startswith(("loss/", "penalty/", "gradient/"))]
    assert {"loss/g", "loss/d", "penalty/r1", "penalty/r2", "penalty/gp", "gradient/g", "gradient/d"} <= set(names)
    for ours, theirs in zip(half, single, strict=True):
        assert {name: ours[name] for name in names} == pytest.approx({name: theirs[name] for name in names}, rel=1e-2)
        assert (ours["skipped/g"], ours["skipped/d"]) == (0, 0)
    for name in ("penalty/r1", "penalty/r2", "penalty/gp"):  # D is in float32 there, and G has not moved far yet
        assert half[0][name] == pytest.approx(single[0][name], rel=1e-6)


@pytest.mark.usefixtures("_search")
def test_the_search_for_a_scale_is_no_divergence(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    """G skips its first eight updates here; two would do for a roll-back."""
    result = cli("train", "--config", config_file, *OPTIONS, "guard.skips_in_a_row=2")
    assert result.exit_code == 0, result.output
    run = tmp_path / "runs" / "test"
    assert [line["skipped/g"] for line in lines(run)][:2] == [1, 1]
    assert not (run / "guard.json").exists()
    assert find_checkpoint(run).images_seen == 64


def test_a_loss_that_stays_bad_at_the_least_scale_is_a_divergence(
    cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 skips halve the scale to 1, eight more end it; ranks agree about it every 16 iterations."""
    monkeypatch.setenv("POISON", "5-1000")
    poisoned = "loss.adversarial=tests.poison:Poisoned"
    result = cli(
        "train", "--config", config_file, *OPTIONS, poisoned, "train.total_images=400", "guard.max_rollbacks=0"
    )
    assert result.exit_code == 2
    assert "Training diverged" in result.output
    assert lines(tmp_path / "runs" / "test")[-1]["images"] == 240


@pytest.mark.usefixtures("_search")
def test_check_accepts_a_first_scale_that_is_too_large(cli: Cli, config_file: Path) -> None:
    result = cli("check", "--config", config_file, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert "precision fp16" in result.output
    assert "skipped/g 1.0000" in result.output
