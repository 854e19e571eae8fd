"""Time from the command to the first iteration, of a fresh run and of one that goes on at 10 million images.

    python bench/resume.py [--workers 2]

Starts launch/train.py on configs/demo.yaml over random images, in turns: in an empty run folder, and in a copy of one
whose checkpoint is of 10 million images and whose metrics.jsonl has a line for every interval up to there. A start ends
when the first line of metrics.jsonl is there that the process itself wrote. Prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
import psutil
import torch
from runs import CONFIGS, digit_shards

from cgan_dist.assembly.trainer import build_trainer
from cgan_dist.config.document import load_config

DEMO = CONFIGS / "demo.yaml"
SCRIPT = Path(__file__).parents[1] / "launch" / "train.py"
FAR_IMAGES = 10_000_000
MORE_IMAGES = 1_000_000
POLL_SECONDS = 0.002
TIMEOUT_SECONDS = 300


class Start(NamedTuple):
    """What a start has cost when its first iteration is over: wall and CPU seconds, memory."""

    wall: float
    cpu: float
    megabytes: float


def options(runs: Path, shards: Path, total_images: int, workers: int = 0) -> list[str]:
    """The demo's run over those shards, with a log line for every iteration."""
    batch_size = load_config(DEMO, []).train.batch_size
    own = [
        f"data.path={shards}",
        f"data.workers={workers}",
        f"tracking={{trackers: [], interval_images: {batch_size}}}",
    ]
    return [f"run.dir={runs}", f"train.total_images={total_images}", *own]


def make_far_run(runs: Path, shards: Path) -> None:
    """Trains one iteration from 10 million images on and ends, as such a run would: with a checkpoint."""
    torch.set_num_threads(1)
    trainer = build_trainer(load_config(DEMO, options(runs, shards, FAR_IMAGES + 1)))
    trainer.images_seen = FAR_IMAGES
    trainer.fit()
    values = metrics(trainer.config.run.folder)[-1]
    lines = [values | {"images": images} for images in history(trainer.images_seen)]
    (trainer.config.run.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def history(images_seen: int) -> range:
    """The points of the clock at which the demo would have logged."""
    interval = load_config(DEMO, []).tracking.interval_images
    return range(interval, images_seen + 1, interval)


def metrics(run: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def start(run: Path, line: list[str]) -> Start:
    """Starts a run and kills it after its first iteration."""
    file = run / "metrics.jsonl"
    before = file.stat().st_size if file.exists() else 0
    started = time.perf_counter()
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while not file.exists() or file.stat().st_size <= before:
            if process.poll() is not None or time.perf_counter() - started > TIMEOUT_SECONDS:
                raise click.ClickException(process.communicate()[1])
            time.sleep(POLL_SECONDS)
        wall = time.perf_counter() - started
        trainer = psutil.Process(process.pid)
        family = [trainer, *trainer.children(recursive=True)]
        cpu = sum(sum(member.cpu_times()[:2]) for member in family)
        return Start(wall, cpu, sum(member.memory_full_info().pss for member in family) / 1e6)
    finally:
        process.kill()
        process.wait()


def starts(rounds: int, workers: int, place: Path) -> Iterator[tuple[str, Start]]:
    """Yields the name and the cost of each start, in turns."""
    shards, far = digit_shards(place), place / "far"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(make_far_run, far, shards).result()
    name = load_config(DEMO, []).run.name
    for number in range(rounds):
        for kind in ("fresh", f"at {FAR_IMAGES:,} images"):
            runs = place / f"{kind[:5]}-{number}"
            if kind != "fresh":
                shutil.copytree(far, runs)
            chosen = options(runs, shards, FAR_IMAGES + MORE_IMAGES, workers)
            yield kind, start(runs / name, [sys.executable, str(SCRIPT), "--config", str(DEMO), *chosen])


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Starts of each kind, in turns.")
@click.option("--workers", default=0, show_default=True, help="Loader processes.")
def main(rounds: int, workers: int) -> None:
    """Measures and prints the table."""
    os.environ |= {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    found: dict[str, list[Start]] = {}
    with tempfile.TemporaryDirectory() as place:
        for kind, cost in starts(rounds, workers, Path(place)):
            found.setdefault(kind, []).append(cost)
    click.echo(
        "\n| from command to first iteration | wall s | to fresh | CPU s | to fresh | MB |\n|---|---|---|---|---|---|"
    )
    medians = {kind: Start(*(median(values) for values in zip(*costs, strict=True))) for kind, costs in found.items()}
    fresh = medians["fresh"]
    for kind, (wall, cpu, megabytes) in medians.items():
        ratios = f"{wall:.2f} | {wall / fresh.wall:.3f} | {cpu:.2f} | {cpu / fresh.cpu:.3f}"
        click.echo(f"| {kind} | {ratios} | {megabytes:,.0f} |")


if __name__ == "__main__":
    main()
