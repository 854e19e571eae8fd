"""Weak scaling of the training iteration: one process, and two that reduce gradients, with the same share of the batch.

    python bench/scaling.py
    python bench/scaling.py --count     # no timing: what an iteration for faces consists of

One thread a process, wall time. Two separate runs at the same time show what sharing the machine costs without any
communication; what two processes of one run need beyond that is communication. Each arrangement is launched several
times, in turns. The run is that of configs/original/mnist.yaml on random images, so an iteration reduces G's gradients
twice and D's once. Prints the tables of docs/benchmarks.md and, with --count, the inputs of docs/scaling.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from runs import BATCH, FACES, ORIGINAL, digit_shards, digits_trainer, faces_trainer, imagenet_trainer, next_iteration
from step import counted_operations
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cgan_dist.distributed.group import leave_group
from cgan_dist.training.trainer import Trainer

ALONE, BESIDE, TOGETHER = "1 process", "2 runs of 1 process, at once", "2 processes"
LAUNCHER = Path(sys.executable).parent / "accelerate"
WARM_UP = 3
MEGABYTE = 1e6
GIGABYTE = 1e9
TIMEOUT_SECONDS = 600
FEW, MORE = 2, 4


def measure(folder: Path, iterations: int) -> dict[str, Any] | None:
    """Times iterations in this process, and bare reductions; every rank calls it.

    Returns:
        On the main process, milliseconds of each iteration and each round of reductions, and bytes of gradients.
    """
    torch.set_num_threads(1)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    trainer = digits_trainer(ORIGINAL, folder, f"train.batch_size={processes * BATCH}")
    accelerator, step = trainer.accelerator, trainer.step
    gradients = [
        torch.zeros(sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad))
        for network in (step.raw_generator, step.raw_generator, step.raw_discriminator)
    ]

    def reduce_all() -> None:
        for gradient in gradients:
            accelerator.reduce(gradient)  # into a copy, which costs a few percent of it

    found = {
        "iterations": _milliseconds(next_iteration(trainer), accelerator.wait_for_everyone, iterations),
        "reductions": _milliseconds(reduce_all, accelerator.wait_for_everyone, iterations),
        "bytes": sum(gradient.numel() * gradient.element_size() for gradient in gradients),
    }
    is_main = accelerator.is_main_process
    del trainer, step
    leave_group(accelerator)
    return found if is_main else None


def _milliseconds(call: Callable[[], None], ready: Callable[[], None], times: int) -> list[float]:
    for _ in range(WARM_UP):
        call()
    ready()
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - started))
    return found


def launch(processes: int, folder: Path, iterations: int) -> subprocess.Popen[str]:
    """Starts this script in a group of so many CPU processes, which measures and writes its result to its output."""
    kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    options = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    group = [str(LAUNCHER), "launch", "--multi_gpu", "--num_processes", str(processes), *options]
    digit_shards(folder)  # here, because ranks would write them at the same time
    line = [*(group if processes > 1 else [sys.executable]), __file__, "--measure", str(folder)]
    return subprocess.Popen(
        [*line, "--iterations", str(iterations)],
        env=kept | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Waits for a launched group and returns what its main process found."""
    try:
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        process.kill()
    if process.returncode != 0:
        raise click.ClickException(output + errors)
    return json.loads(output.splitlines()[-1])  # type: ignore[no-any-return]


def report(found: dict[str, list[dict[str, Any]]]) -> None:
    """Prints the medians over all launches."""
    spent = {name: median(ms for one in rows for ms in one["iterations"]) for name, rows in found.items()}
    click.echo("\n| | ms an iteration | images/s | efficiency |\n|---|---|---|---|")
    for name, value in spent.items():
        images = BATCH if name == ALONE else 2 * BATCH
        click.echo(f"| {name} | {value:.0f} | {1000 * images / value:.1f} | {spent[ALONE] / value:.3f} |")
    together = found[TOGETHER]
    alone = median(ms for one in together for ms in one["reductions"])
    more, size = spent[TOGETHER] - spent[BESIDE], together[0]["bytes"]
    click.echo("\n| communication of one iteration, two processes | |\n|---|---|")
    click.echo(f"| gradients reduced, MB (G twice, D once) | {size / MEGABYTE:.2f} |")
    click.echo(f"| the same bytes reduced alone, ms | {alone:.1f} |")
    click.echo(f"| that is, GB/s of the group's reduction | {size / MEGABYTE / alone:.2f} |")
    click.echo(f"| an iteration's time beyond two separate runs', ms | {more:.1f} |")
    click.echo(f"| the same, as a share of the iteration | {more / spent[TOGETHER]:.3f} |")


class Work(TorchDispatchMode):
    """Counts the operations that a GPU would be given one by one, and the bytes that each reads and writes.

    Views and allocations are no work, nor is what has to do with no tensor, such as the profiler's marks. A tensor
    counts once in an operation, whatever the operation's kernels do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.moved_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs one operation and adds it up."""
        out = func(*args, **(kwargs or {}))
        if not func.is_view and not func.overloadpacket.__name__.startswith(("empty", "new_empty", "_unsafe_view")):
            tensors = {id(leaf): leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor)}
            self.operations += bool(tensors)
            self.moved_bytes += sum(
                min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())  # expanded ones are less
                for tensor in tensors.values()
            )
        return out


def count(name: str, make_trainer: Callable[..., Trainer], *overrides: str) -> str:
    """Counts iterations of two batch sizes in bf16, and returns the line of the table.

    Args:
        name: of the line.
        make_trainer: given a folder and overrides.
        overrides: of the config.
    """
    found = []
    for batch in (FEW, MORE):
        shares = [f"run.name=of-{batch}", f"data.streams={FEW}", f"train.batch_size={batch}"]
        with tempfile.TemporaryDirectory() as folder:
            trainer = make_trainer(Path(folder), "train.precision=bf16", *shares, *overrides)
            iterate = next_iteration(trainer)
            iterate()  # Adam's moments are made in the first
            with Work() as work:
                flops = counted_operations(iterate)
        found.append((work.operations, work.moved_bytes, flops))
    (operations, few, flops), (_, more, _) = found
    an_image = (more - few) / (MORE - FEW)
    megabytes = [
        sum(p.numel() * p.element_size() for p in network.parameters() if p.requires_grad) / MEGABYTE
        for network in (trainer.step.raw_generator, trainer.step.raw_discriminator)
    ]
    return (
        f"| {name} | {flops / FEW / GIGABYTE:.2f} | "
        f"{an_image / GIGABYTE:.3f} | {(few - FEW * an_image) / GIGABYTE:.3f} | {operations:,} | "
        f"{megabytes[0]:.2f} | {megabytes[1]:.2f} |"
    )


def report_counts() -> None:
    """Counts for each size, with penalties and without, and prints the table."""
    torch.set_num_threads(1)
    os.environ["ACCELERATE_USE_CPU"] = "true"
    columns = ("GFLOP an image", "GB moved an image", "GB besides", "operations", "MB of gradients, G", "D")
    click.echo(f"| | {' | '.join(columns)} |\n|" + "---|" * (1 + len(columns)))
    for size in FACES:
        click.echo(count(f"{size}x{size}", partial(faces_trainer, size)))
        click.echo(count(f"{size}x{size}, no penalties", partial(faces_trainer, size), "loss.penalties={}"))
    click.echo(count("GAT-B/2", imagenet_trainer))


@click.command()
@click.option("--count", "only_count", is_flag=True, help="Count operations, bytes and gradients; no timing.")
@click.option("--rounds", default=3, show_default=True, help="Launches of each arrangement, in turns.")
@click.option("--iterations", default=20, show_default=True, help="In each launch.")
@click.option("--measure", "folder", hidden=True, type=click.Path(path_type=Path))
def main(only_count: bool, rounds: int, iterations: int, folder: Path | None) -> None:
    """Measures each arrangement and prints the tables."""
    if only_count:
        report_counts()
        return
    if folder is not None:  # one rank of a group that `launch` started
        found = measure(folder, iterations)
        if found is not None:
            click.echo(json.dumps(found))
        return
    arrangements = {ALONE: [1], BESIDE: [1, 1], TOGETHER: [2]}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in arrangements}
    for _ in range(rounds):
        for name, groups in arrangements.items():
            with tempfile.TemporaryDirectory() as place:
                started = [launch(size, Path(place) / str(number), iterations) for number, size in enumerate(groups)]
                results[name] += [result(process) for process in started]
    report(results)


if __name__ == "__main__":
    main()
