"""What N classes cost: a whole training iteration of the original's networks, fused and literal, side by side.

    python bench/conditioning.py

One process, one thread, process time, batch 64, [G, G, D]; the variants take turns, so that a busy machine slows all of
them alike, and the median of each is compared with that of N = 10. The same of the recipe that is meant for many
classes, batch 32, [D, G]. Memory is what the process holds after some iterations, in a process of its own for each N.
Prints the tables of docs/benchmarks.md.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
import torch

from cgan_dist.assembly.trainer import build_trainer
from cgan_dist.config.document import load_config
from cgan_dist.data.loader import one_step_ahead
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import ClassLabels

CONFIGS = Path(__file__).parents[1] / "configs"
ORIGINAL, CHARACTERS = CONFIGS / "original" / "mnist.yaml", CONFIGS / "glyphs.yaml"
SIDES = {ORIGINAL: 28, CHARACTERS: 32}
LITERAL = (
    "conditioning.generator=[{name: concat, args: {literal: true}}]",
    "conditioning.discriminator=[{name: channels, args: {literal: true}}]",
)
IMAGES = 256
WARM_UP = 2
MEGABYTE = 1e6
FLOAT_BYTES = 4


def iteration(
    classes: int, folder: Path, literal: bool = False, config: Path = ORIGINAL
) -> tuple[Callable[[], None], int, int]:
    """Builds a run over random images of so many classes; returns its next iteration, and G's and D's parameters."""
    generator = np.random.default_rng(0)
    side = SIDES[config]
    shards = folder / f"shards-{classes}-{side}"
    if not shards.exists():
        images = generator.integers(0, 256, (IMAGES, side, side, 1), dtype=np.uint8)
        labels = generator.integers(0, classes, IMAGES)
        schema = ClassLabels(names=[str(number) for number in range(classes)])
        write_shards(Source(labels=labels, schema=schema, read=InMemory(images), description="noise"), shards, Plan())
    run = f"run={{name: {config.stem}-{'literal' if literal else 'fused'}-{classes}, dir: {folder}}}"
    options = [run, f"data.path={shards}", "data.workers=0", "tracking.trackers=[]", *(LITERAL if literal else ())]
    trainer = build_trainer(load_config(config, options))
    step, batches = trainer.step, one_step_ahead(trainer.loader.batches(0), trainer.accelerator.device)

    def iterate() -> None:
        step.iterate(batches, trainer.images_seen)
        trainer.images_seen += step.images_per_iteration

    networks = (step.raw_generator, step.raw_discriminator)
    g_count, d_count = (sum(parameter.numel() for parameter in network.parameters()) for network in networks)
    return iterate, g_count, d_count


def resident_megabytes(classes: int) -> tuple[float, float]:
    """Memory of this process after some iterations, and what parameters, Adam's moments and the average make of it."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        iterate, g_count, d_count = iteration(classes, Path(folder))
        for _ in range(WARM_UP + 1):
            iterate()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE, (4 * g_count + 3 * d_count) * FLOAT_BYTES / MEGABYTE


def times(classes: tuple[int, ...], rounds: int, literal: bool = False, config: Path = ORIGINAL) -> dict[int, float]:
    """Median CPU milliseconds of one iteration with each number of classes, measured in turns."""
    with tempfile.TemporaryDirectory() as folder:
        built = {number: iteration(number, Path(folder), literal, config)[0] for number in classes}
        spent: dict[int, list[float]] = {number: [] for number in classes}
        for number in range(WARM_UP + rounds):
            for own, iterate in built.items():
                started = time.process_time()
                iterate()
                if number >= WARM_UP:
                    spent[own].append(1000 * (time.process_time() - started))
    return {number: median(values) for number, values in spent.items()}


@click.command()
@click.option("--rounds", default=15, show_default=True)
@click.option("--literal-rounds", default=3, show_default=True)
@click.option("--character-rounds", default=60, show_default=True)
@click.option("--only-characters", is_flag=True, help="The table of configs/glyphs.yaml alone.")
def main(rounds: int, literal_rounds: int, character_rounds: int, only_characters: bool) -> None:
    """Measures and prints all tables."""
    torch.set_num_threads(1)
    if not only_characters:
        fused, literal = times((10, 100, 1_000, 10_000), rounds), times((10, 100, 1_000), literal_rounds, literal=True)
        click.echo("\n| N | fused, ms | ratio to N = 10 | literal, ms | literal / fused |\n|---|---|---|---|---|")
        for classes, value in fused.items():
            other = literal.get(classes)
            beside = "not run | " if other is None else f"{other:,.0f} | {other / value:.2f}"
            click.echo(f"| {classes:,} | {value:.0f} | {value / fused[10]:.3f} | {beside} |")
    _print_characters(times((10, 100, 1_000, 10_000), character_rounds, config=CHARACTERS))
    if not only_characters:
        _print_memory()


def _print_characters(found: dict[int, float]) -> None:
    batch = load_config(CHARACTERS, []).train.batch_size
    click.echo(f"\n| N | `{CHARACTERS.name}`, ms an image | ratio to N = 10 |\n|---|---|---|")
    for classes, value in found.items():
        click.echo(f"| {classes:,} | {value / batch:.3f} | {value / found[10]:.3f} |")


def _print_memory() -> None:
    click.echo("\n| N | resident, MB | growth | parameters, moments, average: growth |\n|---|---|---|---|")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        first: tuple[float, float] | None = None
        for classes in (10, 1_000, 10_000):
            resident, expected = pool.apply(resident_megabytes, (classes,))
            first = first or (resident, expected)
            click.echo(f"| {classes:,} | {resident:.0f} | {resident - first[0]:.0f} | {expected - first[1]:.0f} |")


if __name__ == "__main__":
    main()
