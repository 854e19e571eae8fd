"""Time from a warning signal to the finished checkpoint, and to the next attempt's first iteration, on a Slurm cluster.

    python bench/preemption.py

Starts a cluster of two virtual nodes on this machine (as `make test-slurm` does), trains with two processes, sends what
Slurm sends before a time limit or a preemption, and reads times from files: the checkpoint's, and the first new line of
metrics.jsonl. Images are random. Prints the table of docs/slurm.md.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click
from runs import CONFIGS, digit_shards

sys.path.insert(0, str(CONFIGS.parent))
from tests.slurm.cluster import Cluster

RUNS = {"configs/demo.yaml": 2_000, "configs/original/mnist.yaml": 700}
"""With how many images they are on their way."""
EVERY_IMAGES = 64


def last_image(run: Path) -> int:
    """What metrics.jsonl has come to; 0 before there is a line."""
    path = run / "metrics.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return int(json.loads(lines[-1])["images"]) if lines else 0


def measure(cluster: Cluster, config: str, images: int, folder: Path, number: int) -> tuple[float, float]:
    """One job, one signal; returns seconds to the checkpoint and to the first line of the next attempt."""
    run = folder / f"{Path(config).stem}-{number}"  # of another config is another run
    overrides = [
        f"run={{name: {run.name}, dir: {folder}, seed: 0}}",
        f"data.path={digit_shards(folder)}",
        "train.total_images=10000000",
        f"tracking={{trackers: [], interval_images: {EVERY_IMAGES}}}",
        "sample.interval_images=10000000",
        "checkpoint.interval_images=10000000",
        "evaluate.metrics=[]",
    ]
    options = ("--nodes=2", "--cpus-per-task=1", f"--output={folder}/%j.out")
    job = cluster.run("sbatch", "--parsable", *options, "slurm/train.sbatch", config, *overrides).strip()
    cluster.wait(f"{images} images", lambda: last_image(run) >= images, 300, folder / f"{job}.out")
    latest = run / "checkpoints" / "latest"
    asked = time.time()
    cluster.warn(job)
    cluster.wait("a checkpoint", latest.exists, 60, folder / f"{job}.out")
    saved, before = latest.stat().st_mtime, last_image(run)
    cluster.wait("the next attempt trains", lambda: last_image(run) > before, 300, folder / f"{job}.out")
    again = (run / "metrics.jsonl").stat().st_mtime
    cluster.run("scancel", job)
    cluster.wait_for_end(job)
    return saved - asked, again - asked


@click.command()
@click.option("--rounds", default=3, show_default=True)
def main(rounds: int) -> None:
    """Measures every config in turns."""
    cluster = Cluster()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = {
                config: [measure(cluster, config, images, Path(folder), number) for number in range(rounds)]
                for config, images in RUNS.items()
            }
    finally:
        cluster.close()
    click.echo("\n| config | signal to checkpoint, s | signal to the next attempt's first line, s |\n|---|---|---|")
    for config, times in found.items():
        saved, again = zip(*times, strict=True)
        click.echo(
            f"| `{config}` | {median(saved):.1f} ({min(saved):.1f} to {max(saved):.1f}) "
            f"| {median(again):.1f} ({min(again):.1f} to {max(again):.1f}) |"
        )


if __name__ == "__main__":
    main()
