"""Metrics, W&B and TensorBoard of runs as a user starts them."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import wandb
from click.testing import Result
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cgan_dist.trackers.wandb_session import history, sessions
from tests.launching import BIN, ROOT, command, environment, launch, run
from tests.wandb_server import ServedRun, WandbServer, wandb_server

TRAIN = ROOT / "launch" / "train.py"
PAGE = ROOT / "docs" / "tracking.md"
KEY = "0" * 40

Cli = Callable[..., Result]
Row = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The run folder; W&B starts afresh in this process, and sees no account of this machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    wandb.teardown()
    yield tmp_path / "runs" / "test"
    wandb.teardown()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield server


def lines(folder: Path) -> list[Row]:
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def rows(folder: Path) -> list[Row]:
    files = sessions(folder / "wandb", (folder / "wandb_id").read_text())
    return sorted((row for path in files for row in history(path)), key=lambda row: row["_step"])


def served(server: WandbServer, folder: Path) -> ServedRun:
    return server.runs[(folder / "wandb_id").read_text()]


def only_lines(rows: list[Row]) -> list[Row]:
    """Rows without what only W&B has: its own columns, pictures, histograms, and the first grid of all."""
    found = [{k: v for k, v in row.items() if not re.match("_|samples/|weights/", k)} for row in rows]
    return [row for row in found if len(row) > 1]


def untimed(rows: list[Row]) -> list[Row]:
    """What a line that is trained again after a kill says anew: all but the time and the memory it took."""
    return [{name: value for name, value in row.items() if not name.startswith("perf/")} for row in rows]


def documented() -> dict[str, str]:
    """Names on the page to regular expressions; a word in capitals stands for anything."""
    table = PAGE.read_text().split("## Names")[1].split("W&B and TensorBoard also get")[0]
    names = [name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall("`(.+?)`", row)]
    return {name: re.sub(r"[A-Z]+", ".+", name) for name in names}


def test_the_page_has_the_names_of_a_real_run(cli: Cli, config_file: Path, folder: Path) -> None:
    options = (
        "conditioning.discriminator=[channels, auxiliary]",
        "data.augment=ada",
        "loss.penalties={r1: {start: 0.1, end: 1.0, end_images: 64}, lecam: 0.1}",
        "discriminator.args.norm=none",
        "evaluate={interval_images: 32, metrics: [label_accuracy], count: 30}",
    )
    result = cli("train", "--config", config_file, "--tracker", "none", *options)
    assert result.exit_code == 0, result.output
    logged, page = {name for line in lines(folder) for name in line}, documented()
    assert {name for name in logged if not any(re.fullmatch(p, name) for p in page.values())} == set()
    unseen = {name for name, pattern in page.items() if not any(re.fullmatch(pattern, seen) for seen in logged)}
    assert unseen == {"gradient/scale_d", "gradient/scale_g", "perf/gpu_allocated_gib", "perf/gpu_reserved_gib"}
    assert max(len(line) for line in (folder / "metrics.jsonl").read_text().splitlines()) < 2_000


def test_every_tracker_has_the_same_numbers_pictures_and_histograms(cli: Cli, config_file: Path, folder: Path) -> None:
    trackers = ("--tracker", "wandb", "--tracker", "tensorboard", "tracking.histograms_interval_images=32")
    assert cli("train", "--config", config_file, *trackers).exit_code == 0
    wandb.teardown()
    told = lines(folder)
    assert [line["images"] for line in told] == [16, 32, 48, 64]
    assert only_lines(rows(folder)) == told
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    for name in told[-1].keys() - {"images"}:
        assert [(event.step, event.value) for event in events.Scalars(name)] == [
            (line["images"], pytest.approx(line[name])) for line in told if name in line
        ]
    [session] = sessions(folder / "wandb", (folder / "wandb_id").read_text())
    for name in ("random_z", "fixed_z", "real"):
        shown = {row["images"]: row for row in rows(folder) if f"samples/{name}.path" in row}
        assert list(shown) == [0, 32, 64] == [event.step for event in events.Images(f"samples/{name}")]
        for row in shown.values():
            recorded = session.parent / "files" / row[f"samples/{name}.path"]
            assert recorded.read_bytes() == (folder / "samples" / f"{name}-{row['images']:012d}.png").read_bytes()
    histograms = events.Tags()["histograms"]
    assert {name.rpartition("/")[0] for name in histograms} == {"weights/generator", "weights/discriminator"}
    with_them = [row for row in rows(folder) if f"{histograms[0]}.values" in row]
    assert [row["images"] for row in with_them] == [32, 64]
    assert {name for name in histograms if f"{name}.values" not in with_them[0]} == set()


@pytest.mark.slow
@pytest.mark.long
def test_one_offline_run_across_a_kill_and_its_upload(
    config_file: Path, folder: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = tracked_options(config_file)
    kill_after(800, folder, command(2, TRAIN, *options, "train.total_images=1000000"))
    run_id = (folder / "wandb_id").read_text()
    lost = len(lines(folder)) - len(only_lines(rows(folder)))
    assert lost > 0, "a kill costs W&B its last block"
    total = lines(folder)[-1]["images"] + 160
    launch(2, TRAIN, *options, f"train.total_images={total}")
    assert (folder / "wandb_id").read_text() == run_id
    assert len(sessions(folder / "wandb", run_id)) == 2
    assert untimed(only_lines(rows(folder))) == untimed(lines(folder))
    monkeypatch.delenv("WANDB_MODE")
    done = run([str(BIN / "wandb"), "sync", *map(str, (folder / "wandb").glob("offline-run-*"))], cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR" not in done.stderr
    assert [row["images"] for row in served(server, folder).history[1:]] == list(range(16, total + 1, 16))
    assert [row["_step"] for row in served(server, folder).history] == list(range(total // 16 + 1))
    assert any("media/images/samples/random_z" in name for name in server.files)


@pytest.mark.slow
def test_one_online_run_across_a_kill(
    config_file: Path, folder: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    options = tracked_options(config_file)
    kill_after(800, folder, command(1, TRAIN, *options, "train.total_images=1000000"))
    before = len(served(server, folder).history) if server.runs else 0
    assert before < len(lines(folder))
    total = lines(folder)[-1]["images"] + 160
    launch(1, TRAIN, *options, f"train.total_images={total}")
    assert untimed(only_lines(served(server, folder).history)) == untimed(lines(folder))
    assert [row["images"] for row in served(server, folder).history[1:]] == list(range(16, total + 1, 16))
    slowed = {"Training has slowed down"}  # where other work takes this machine's cores
    assert {alert["title"] for alert in server.alerts} - slowed == {"Finished"}
    assert served(server, folder).exit_code == 0


@pytest.mark.slow
def test_a_server_that_is_not_there_stops_nothing(
    config_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    tracker = "tracking.trackers=[{name: wandb, args: {start_seconds: 1, finish_seconds: 1}}]"
    began = time.monotonic()
    launch(1, TRAIN, "--config", str(config_file), tracker)
    assert time.monotonic() - began < 60, "W&B's own bounds are 90 seconds at the start and none at the end"
    log = (folder / "log.txt").read_text()
    assert "W&B cannot be reached" in log
    assert "wandb sync" in log
    assert only_lines(rows(folder)) == lines(folder)
    assert [line["images"] for line in lines(folder)] == [16, 32, 48, 64]


def test_a_tracker_that_raises_in_the_middle_stops_nothing(cli: Cli, config_file: Path, folder: Path) -> None:
    tracker = "tracking.trackers=[{name: tests.memory_tracker:Memory, args: {breaks_at: 32}}]"
    result = cli("train", "--config", config_file, tracker, "train.total_images=128")
    assert result.exit_code == 0, result.output
    assert [line["images"] for line in lines(folder)] == list(range(16, 129, 16))
    log = (folder / "log.txt").read_text()
    assert log.count("failed at scalars (ConnectionError: the network is gone)") == 1
    assert "gets no more scalars: 3 failed in a row" in log


def test_a_run_that_fails_is_told_and_is_marked_as_failed(
    cli: Cli, config_file: Path, folder: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    broken = ("optim.lr=1e30", "generator.args.norm=none", "discriminator.args.norm=none", "train.total_images=640")
    assert cli("train", "--config", config_file, "--tracker", "wandb", *broken).exit_code == 2
    wandb.teardown()
    alert = json.loads((folder / "alerts.jsonl").read_text().splitlines()[-1])
    assert alert["alert"] == "Failed"
    assert "Training diverged" in alert["text"]
    assert "Failed" in {alert["title"] for alert in server.alerts}
    assert served(server, folder).exit_code == 1


def tracked_options(config_file: Path) -> list[str]:
    """Grids only with the checkpoints, so that a kill comes between them."""
    intervals = ["sample.interval_images=320", "checkpoint.interval_images=320"]
    return ["--config", str(config_file), "tracking.trackers=[wandb]", *intervals]


def kill_after(images: int, folder: Path, command_line: list[str]) -> None:
    """Starts a training and ends it, and W&B's process, by SIGKILL when it has logged so many images."""
    process = subprocess.Popen(
        command_line, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 900
    while not any(line["images"] >= images for line in lines(folder)):
        assert time.monotonic() < deadline, "the run does not get on"
        assert process.poll() is None, "the run ended before it was killed"
        time.sleep(0.005)
    for victim in [*psutil.Process(process.pid).children(recursive=True), process]:
        victim.kill()
    process.wait()
