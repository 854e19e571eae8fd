"""What metrics cost once features are there: wall and CPU seconds of each, and the figures, to the last digit.

python bench/metrics.py [--count 10000] [--width 2048] [--threads 1] [--device cuda] [fid kid precision ...]
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.evaluation.metrics.base import Features, ImageSet, RealSet
from cgan_dist.evaluation.metrics.chosen import choose_metrics
from cgan_dist.labels import ClassLabels

NAMES = ("fid", "kid", "precision", "memorization@inception", "diversity@inception")
CLASSES = 10
FACTORS = 64
"""Directions in which features vary much; in all others they are noise."""
SPACE = Classes(ClassLabels(names=[str(number) for number in range(CLASSES)]))


def features(count: int, width: int, seed: int, scale: float) -> Features:
    """Random, not negative, and correlated; of the same kind for every seed."""
    mix = torch.randn(FACTORS, width, generator=torch.Generator().manual_seed(0)) / FACTORS**0.5
    generator = torch.Generator().manual_seed(seed)
    factors, noise = (torch.randn(count, size, generator=generator) for size in (FACTORS, width))
    return Features((scale * factors @ mix + 0.1 * noise + 0.4).relu(), torch.empty(count, 0))


def no_pixels() -> Tensor:
    """None of these metrics looks at any."""
    raise AssertionError("a metric of features looked at pixels")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--count", default=10_000, show_default=True, help="Fakes, and as many real images.")
@click.option("--width", default=2_048, show_default=True, help="Features of each.")
@click.option("--threads", default=1, show_default=True, help="Of the CPU.")
@click.option("--device", default="cpu", show_default=True, help="Where distances are computed.")
def main(names: tuple[str, ...], count: int, width: int, threads: int, device: str) -> None:
    """Prints the lines of docs/benchmarks.md."""
    torch.set_num_threads(threads)
    labels = torch.arange(count) % CLASSES
    found = {"inception": features(count, width, 1, 1.0)}, {"inception": features(count, width, 2, 0.95)}
    real = RealSet(
        labels=labels,
        features=found[0],
        load=no_pixels,
        label_space=SPACE,
        cache=Path("nowhere"),
        fingerprint="random",
        extractors={},
        device=torch.device(device),
    )
    fakes = ImageSet(labels=labels, features=found[1], load=no_pixels)
    for chosen in choose_metrics(names or NAMES, SPACE, "bench"):
        for again in ("", ", again") if chosen.name == "fid" else ("",):  # what it keeps of the real images is half
            wall, cpu = time.perf_counter(), time.process_time()
            scores = chosen.metric.score(real, fakes)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            click.echo(f"{chosen.name}{again}: {wall:.1f} s, {cpu:.1f} CPU s")
        for name, value in scores.items():
            click.echo(f"    {chosen.named(name)} {value!r}")


if __name__ == "__main__":
    main()
