"""What an iteration costs on one GPU: `python bench/step.py --device cuda`, which `make gpu` calls."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from runs import FACES, GIGA, Iterate, faces_trainer, next_iteration
from torch.profiler import ProfilerActivity, profile

PRECISIONS = {
    "float32": ("train.precision=no", "train.tf32=false"),
    "TF32": ("train.precision=no", "train.tf32=true"),
    "bf16": ("train.precision=bf16",),
    "bf16, compiled": ("train.precision=bf16", "train.compile=true"),
}
PROFILED = (64, "bf16")
PROFILED_ITERATIONS, KERNELS_SHOWN = 5, 15
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
WARM_UP = 10
FEW = 2
"""Images of a batch that any GPU is done with before the host has queued the next one."""
COLUMNS = {
    "side": "side",
    "precision": "precision",
    "images_per_second": "images/s",
    "iteration_ms": "ms an iteration",
    "queue_ms": "ms to queue it",
    "peak_gb": "peak GB",
    "host_waits": "host waits",
}

Row = dict[str, Any]


def measure_gpu(batch: int, iterations: int, json_file: Path | None) -> None:
    """Measures the networks for faces in each size and precision, prints the table, and writes it as JSON if wanted."""
    about = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "batch_size": batch}
    click.echo(f"{about['card']}, PyTorch {about['torch']}, batch {batch}\n")
    click.echo(f"| {' | '.join(COLUMNS.values())} |\n|" + "---|" * len(COLUMNS))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in FACES:
            for name in PRECISIONS:
                rows.append(row_or_error(size, name, partial(apart, size, batch, name, iterations, Path(folder))))
                click.echo(line_of(rows[-1]))
                if json_file is not None:  # after each row: a crash of the driver must not cost those before
                    json_file.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n")
    for kernel in next((row["kernels"] for row in rows if "kernels" in row), []):
        click.echo(f"{kernel['ms']:10.3f} ms {kernel['calls']:6} calls  {kernel['name']}")


def row_or_error(size: int, name: str, measure: Callable[[], Row]) -> Row:
    """Returns what was measured, or why it could not be, for the table to go on."""
    try:
        return measure()
    except Exception as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        return {"side": size, "precision": name, "error": f"{type(error).__name__}: {reason}"}


def line_of(row: Row) -> str:
    """A row as Markdown."""
    if "error" in row:
        error = row["error"].replace("|", "\\|")
        return f"| {row['side']} | {row['precision']} | {error} |" + " |" * (len(COLUMNS) - 3)
    return (
        "| "
        + " | ".join(f"{row[name]:,.1f}" if isinstance(row[name], float) else str(row[name]) for name in COLUMNS)
        + " |"
    )


def apart(*of_row: Any) -> Row:
    """Returns `measured` of a process of its own: Accelerate keeps a precision, and a crash ends one row only."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(measured, *of_row).result()


def measured(size: int, batch: int, name: str, iterations: int, folder: Path) -> Row:
    """Measures one size and precision; in a process of its own."""
    own = [f"run.name={size}-{list(PRECISIONS).index(name)}", f"train.batch_size={batch}", "data.cache=ram"]
    trainer = faces_trainer(size, folder, *own, *PRECISIONS[name])
    iterate = next_iteration(trainer)
    for _ in range(WARM_UP):
        iterate()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    for _ in range(iterations):
        iterate()
    torch.cuda.synchronize()
    spent = (time.perf_counter() - started) / iterations
    row: Row = {"side": size, "precision": name, "images_per_second": trainer.step.images_per_iteration / spent}
    row |= {"iteration_ms": 1000 * spent, "peak_gb": torch.cuda.max_memory_allocated() / GIGA}
    row["host_waits"] = where_the_host_waits(iterate, iterations)
    if (size, name) == PROFILED:
        row |= profiled(iterate)
    few = [f"run.name=few-{size}-{list(PRECISIONS).index(name)}", f"data.streams={FEW}", f"train.batch_size={FEW}"]
    iterate = next_iteration(faces_trainer(size, folder, *few, "data.cache=ram", *PRECISIONS[name]))
    for _ in range(WARM_UP):
        iterate()
    return row | {"queue_ms": 1000 * to_queue(iterate, torch.cuda.synchronize, iterations)}


def to_queue(iterate: Iterate, synchronize: Iterate, iterations: int) -> float:
    """Median seconds in which the host queues one iteration that finds the GPU idle.

    A GPU's queue takes about a thousand kernels, then the host waits for a place in it: the time of many iterations in
    a row is the GPU's. For one to be the host's alone the GPU must keep up with it, so let it be of `FEW` images; what
    is queued does not depend on how many there are.
    """
    spent = []
    for _ in range(iterations):
        synchronize()
        started = time.perf_counter()
        iterate()
        spent.append(time.perf_counter() - started)
    synchronize()
    return median(spent)


def where_the_host_waits(iterate: Iterate, iterations: int) -> str:
    """Iterates while PyTorch forbids waiting for the GPU; returns `nowhere`, or what it says of the first wait."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(iterations):
            iterate()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "nowhere"


def profiled(iterate: Iterate) -> Row:
    """The kernels that take longest, and how often the host called what waits, an iteration each."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in range(PROFILED_ITERATIONS):
            iterate()
    events = profiler.key_averages()
    longest = sorted(events, key=lambda event: event.self_device_time_total, reverse=True)[:KERNELS_SHOWN]
    kernels = [
        {
            "name": event.key,
            "calls": event.count / PROFILED_ITERATIONS,
            "ms": event.self_device_time_total / 1000 / PROFILED_ITERATIONS,
        }
        for event in longest
    ]
    waits = {event.key: event.count / PROFILED_ITERATIONS for event in events if event.key in WAITS}
    return {"kernels": kernels, "calls_that_wait": waits}
