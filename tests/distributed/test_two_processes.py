from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.launching import ROOT, command, environment, launch

TRAIN = ROOT / "launch" / "train.py"
ORIGINAL = ROOT / "configs" / "original" / "mnist.yaml"


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


TABLES = ["optim.tables=dense", "optim.tables=rows"]


@pytest.mark.parametrize("tables", TABLES)
def test_a_step_reduces_the_trained_network_once_and_replicas_stay_equal(config_file: Path, tables: str) -> None:
    launch(2, Path(__file__).with_name("collectives_script.py"), str(config_file), tables)


IN_PARTS = (
    "generator.args={width: 4, norm: none}",
    "discriminator.args={width: 4, norm: none}",
    "train.plan=[D, G]",
    "train.batch_size=32",
)
ADA = "{pipeline: bgcfnc, target: 0, adaptation_images: 400, interval_images: 32}"
SMALL = "width: 8, depth: 2, heads: 1, patch: 7, levels: 2"
TWINS = (
    *IN_PARTS,
    "loss.adversarial=relativistic",
    "loss.penalties={bcr_real: 1, bcr_fake: 1, zcr_d: 1, zcr_g: 0.5}",
    "loss.top_k={start: 0.9, end: 0.2, end_images: 256, shape: linear}",
)


class Run(NamedTuple):
    """What is typed, and how many images of a batch are passed at once, over all processes; null for all."""

    overrides: tuple[str, ...]
    at_once: int | None = 16


RUNS = {
    **{tables: Run(("generator.args.norm=none", "discriminator.args.norm=none", tables), None) for tables in TABLES},
    "spectral norm": Run(
        (
            "generator.args={width: 4, norm: none}",
            "discriminator={name: resnet, args: {width: 4}}",
            "loss={adversarial: hinge, penalties: {r1: 0.1}}",
            "train.plan=[D, D, G]",
            "train.batch_size=32",
        )
    ),
    "transformer": Run(
        (
            f"generator={{name: transformer, latent_dim: 8, args: {{{SMALL}, checkpoint: true}}}}",
            f"discriminator={{name: transformer, args: {{{SMALL}, apart: true}}}}",
            "conditioning={labels: classes, generator: [embedding], discriminator: [projection]}",
            "loss={adversarial: relativistic, guidance: true, consistency: 1, penalties: {r1_approximate: 0.1}}",
            "optim={clip_norm: 1, betas: [0.5, 0.99]}",
            "data.augment=[translation]",
            "train.plan=[D, G]",
            "train.batch_size=32",
        )
    ),
    "twins in parts": Run(TWINS),
    "twins at once": Run(TWINS, 32),
    "adaptive": Run(
        (
            *IN_PARTS,
            f"data.augment={{name: ada, args: {ADA}}}",
            "loss={adversarial: relativistic, penalties: {r1: 0.1, r2: 0.1}}",
        )
    ),
}
"""Of the original's config. Batch norm sees half a batch on each process, so it is switched off."""
Metrics = list[dict[str, float]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, digits_folder: Path) -> dict[str, tuple[Metrics, Metrics]]:
    """The metrics of each run on one process and on two; replicas are compared on the way."""
    folder = tmp_path_factory.mktemp("trained")
    for processes in (1, 2):
        lines = [
            [
                *("--config", str(ORIGINAL), "--tracker", "none"),
                *(f"data.path={digits_folder}", f"run.dir={folder}", f"run.name={number}-on-{processes}"),
                *run.overrides,
                f"train.micro_batch={run.at_once // processes if run.at_once else 'null'}",
                "train.total_images=256",
                "tracking.interval_images=64",
                "guard.replicas_interval_images=64",
            ]
            for number, run in enumerate(RUNS.values())
        ]
        (folder / "lines.json").write_text(json.dumps(lines))
        launch(processes, Path(__file__).with_name("training_script.py"), str(folder / "lines.json"))
    return {
        name: (metrics(folder / f"{number}-on-1"), metrics(folder / f"{number}-on-2"))
        for number, name in enumerate(RUNS)
    }


def assert_same(one: Metrics, two: Metrics, names: Iterable[str], **tolerance: float) -> None:
    assert [line["images"] for line in one] == [line["images"] for line in two] == [64, 128, 192, 256]
    for name in names:
        for ours, theirs in zip(two, one, strict=True):
            assert ours[name] == pytest.approx(theirs[name], **tolerance), (name, ours["images"])


@pytest.mark.parametrize("tables", TABLES)
def test_the_original_config_has_the_same_losses_on_one_and_two_processes(
    trained: dict[str, tuple[Metrics, Metrics]], tables: str
) -> None:
    one, two = trained[tables]
    names = [name for name in one[0] if name.startswith(("loss/", "logits/"))]
    assert {"loss/g", "loss/d", "loss/d_real", "loss/d_fake"} <= set(names)
    assert_same(one, two, names, abs=1e-3)
    for name in names:
        assert two[0][name] == pytest.approx(one[0][name], abs=1e-5)


def test_spectral_norm_has_the_same_losses_on_one_and_two_processes(
    trained: dict[str, tuple[Metrics, Metrics]],
) -> None:
    """Two micro-batches on each process; vectors move once in an update and stay equal on all ranks."""
    assert_same(*trained["spectral norm"], ("loss/g", "loss/d", "penalty/r1", "logits/real"), abs=1e-4)


def test_transformers_have_the_same_losses_on_one_and_two_processes(
    trained: dict[str, tuple[Metrics, Metrics]],
) -> None:
    """All that is drawn, noise of guidance and penalty too, is for the global batch, and so is clipping."""
    names = ("loss/g", "loss/d", "loss/consistency", "penalty/r1_approximate", "gradient/g")
    assert_same(*trained["transformer"], names, abs=1e-3, rel=1e-3)


@pytest.mark.parametrize("run", ["twins in parts", "twins at once"])
def test_the_best_of_a_batch_and_twins_are_the_same_on_one_and_two_processes(
    trained: dict[str, tuple[Metrics, Metrics]], run: str
) -> None:
    """On two processes, in micro-batches and at once, G learns from the best fakes of the global batch."""
    names = ("penalty/bcr_real", "penalty/bcr_fake", "penalty/zcr_d", "penalty/zcr_g")
    assert_same(*trained[run], (*names, "loss/g", "loss/g_adversarial", "loss/d", "gradient/g"), abs=1e-4, rel=1e-4)


def test_adaptive_augmentation_is_the_same_on_one_and_two_processes(
    trained: dict[str, tuple[Metrics, Metrics]],
) -> None:
    """How well D knows its pictures is a number of the global batch, and so is p; this loss takes two reductions."""
    one, two = trained["adaptive"]
    assert_same(one, two, ("loss/g", "loss/d", "penalty/r1", "augment/r", "augment/p"), abs=1e-4)
    assert one[-1]["augment/p"] > 0.1


def test_a_signal_to_one_rank_stops_all_with_a_checkpoint(tmp_path: Path, config_file: Path) -> None:
    line = command(2, TRAIN, "--config", str(config_file), "train.total_images=1000000")
    launcher = subprocess.Popen(line, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    run = tmp_path / "runs" / "test"
    try:
        wait_for(lambda: (run / "metrics.jsonl").exists() and len(metrics_so_far(run)) > 3)
        ranks = [
            p for p in psutil.Process(launcher.pid).children(recursive=True) if "train.py" in " ".join(p.cmdline())
        ]
        assert len(ranks) == 2
        max(ranks, key=lambda p: p.pid).send_signal(signal.SIGTERM)
        output, _ = launcher.communicate(timeout=900)
        assert launcher.returncode == 0, output.decode()
    finally:
        launcher.kill()
    latest = run / "checkpoints" / (run / "checkpoints" / "latest").read_text()
    stopped_at = json.loads((latest / "state.json").read_text())["images_seen"]
    assert "Stopping at" in (run / "log.txt").read_text()
    launch(2, TRAIN, "--config", str(config_file), f"train.total_images={stopped_at + 64}")
    assert [entry["images"] for entry in metrics(run)] == list(range(16, stopped_at + 65, 16))


def metrics_so_far(run: Path) -> list[str]:
    return (run / "metrics.jsonl").read_text().splitlines()


def wait_for(condition: object, seconds: float = 900) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
