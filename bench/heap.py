"""What it saves on a CPU that the C library keeps the memory that tensors free (cgan_dist/heap.py).

    python bench/heap.py

One iteration of three configs on random images, one thread, process time: a process that keeps its memory and one that
does not take turns, and medians are compared. Prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import NamedTuple
from unittest import mock

import click
import torch
from runs import CONFIGS, ORIGINAL, digits_trainer, faces_trainer, next_iteration, noise_shards

from cgan_dist.assembly.trainer import build_trainer
from cgan_dist.config.document import load_config
from cgan_dist.labels import ClassLabels
from cgan_dist.training.heap import keep_freed_memory
from cgan_dist.training.trainer import Trainer

LARGE = CONFIGS / "original" / "celeba.yaml"
WARM_UP = 2
MEGA = 1e6


class Cost(NamedTuple):
    """Of one iteration, and the most memory that the process has had so far."""

    cpu_seconds: float
    kernel_seconds: float
    peak_bytes: float


def digits(folder: Path) -> Trainer:
    """28x28, 64 images an iteration."""
    return digits_trainer(ORIGINAL, folder)


def faces(folder: Path) -> Trainer:
    """64x64, 16 images of the 256 that the config takes."""
    return faces_trainer(64, folder, "train.batch_size=16")


def large_faces(folder: Path) -> Trainer:
    """108x108, 64 images an iteration."""
    shards = noise_shards(folder, 108, 3, ClassLabels(names=["a", "b"]))
    own = [f"run.dir={folder}", f"data.path={shards}", "data.workers=0", "tracking.trackers=[]"]
    return build_trainer(load_config(LARGE, own))


RUNS = {"original/mnist.yaml": digits, "celeba.yaml": faces, "original/celeba.yaml": large_faces}


def work(name: str, keep: bool, pipe: Connection) -> None:
    """A process that trains an iteration each time it is asked to, and answers with what it cost."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        with mock.patch("cgan_dist.assembly.trainer.keep_freed_memory", keep_freed_memory if keep else bool):
            trainer = RUNS[name](Path(folder))
        iterate = next_iteration(trainer)
        while pipe.recv():
            before = resource.getrusage(resource.RUSAGE_SELF)
            started = time.process_time()
            iterate()
            after = resource.getrusage(resource.RUSAGE_SELF)
            pipe.send(Cost(time.process_time() - started, after.ru_stime - before.ru_stime, after.ru_maxrss * 1024))
        trainer.maintenance.close()


def measure(name: str, rounds: int) -> tuple[Cost, Cost]:
    """Medians of a process as the C library has it and of one that keeps its memory."""
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for keep in (False, True):
        mine, its = spawn.Pipe()
        processes.append(spawn.Process(target=work, args=(name, keep, its)))
        processes[-1].start()
        pipes.append(mine)
    costs: list[list[Cost]] = [[], []]
    for _ in range(WARM_UP + rounds):
        for pipe, found in zip(pipes, costs, strict=True):
            pipe.send(True)
            found.append(pipe.recv())
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(False)
        process.join()
    usual, kept = (Cost(*map(median, zip(*found[WARM_UP:], strict=True))) for found in costs)
    return usual, kept


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Iterations of each process.")
def main(rounds: int) -> None:
    """Measures the three configs and prints a table."""
    click.echo(
        "| config | usual: CPU s | of it in the kernel | peak, MB | kept: CPU s | in the kernel | peak, MB | ratio |"
    )
    click.echo("|---|---|---|---|---|---|---|---|")
    for name in RUNS:
        usual, kept = measure(name, rounds)
        cells = [
            cell
            for cost in (usual, kept)
            for cell in (f"{cost.cpu_seconds:.2f}", f"{cost.kernel_seconds:.2f}", f"{cost.peak_bytes / MEGA:,.0f}")
        ]
        click.echo(f"| `{name}` | {' | '.join(cells)} | {kept.cpu_seconds / usual.cpu_seconds:.2f} |")


if __name__ == "__main__":
    main()
