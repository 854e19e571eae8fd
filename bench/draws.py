"""What an iteration's random numbers cost the thread that launches it, drawn where they are wanted and drawn ahead.

    python bench/draws.py [--batch-size 16384]

CPU milliseconds of the launching thread, medians; each phase of the plan is stood for by 50 ms of sleep. Ahead is what
training does where the device is not the CPU; here everything stays on the CPU, so no copy is in it. Prints the table
of docs/benchmarks.md.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import click
import torch

from cgan_dist.augment import AUGMENTATIONS
from cgan_dist.augment.base import Pipeline
from cgan_dist.config.document import Config, load_config
from cgan_dist.training.draws import Draws

CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = ("original/mnist.yaml", "celeba.yaml")
PHASE_SECONDS = 0.05


def launching_ms(config: Config, ahead: bool, iterations: int) -> float:
    """Of the draws of one iteration, on the only rank."""
    parts = {part.name: AUGMENTATIONS.build(part.name, "data.augment", part.args) for part in config.data.augment}
    augment = Pipeline(parts, 1.0)
    size, plan = config.train.batch_size, config.train.plan
    draws = Draws(config, augment, mixes=False, rows=slice(0, size), device=torch.device("cpu"))
    draws.thread = ThreadPoolExecutor(1) if ahead else None
    found = []
    for iteration in range(iterations):
        spent = 0.0
        for phase in range(len(plan)):
            later, following = divmod(phase + 1, len(plan))
            started = time.thread_time()
            draws.take(0, iteration * size, phase)
            draws.begin(0, (iteration + later) * size, following)
            spent += time.thread_time() - started
            time.sleep(PHASE_SECONDS)
        found.append(1000 * spent)
    return median(found)


@click.command()
@click.option("--batch-size", default=16_384, show_default=True, help="Global.")
@click.option("--iterations", default=21, show_default=True, help="Of each kind.")
def main(batch_size: int, iterations: int) -> None:
    """Measures and prints the table."""
    torch.set_num_threads(1)
    click.echo("| config | plan | where they are wanted, ms | ahead, ms |\n|---|---|---|---|")
    for name in NAMES:
        config = load_config(CONFIGS / name, [f"train.batch_size={batch_size}", "train.micro_batch=null"])
        in_place, ahead = (launching_ms(config, ahead, iterations) for ahead in (False, True))
        click.echo(f"| `{name}` | [{', '.join(config.train.plan)}] | {in_place:.1f} | {ahead:.1f} |")


if __name__ == "__main__":
    main()
