"""Quality per compute: accuracy, Fréchet distance, precision and recall of a config after CPU seconds of training.

    python bench/quality.py configs/original/mnist.yaml configs/mnist.yaml --seconds 140 --seconds 1680 --seeds 3

One process, one thread, one run after the other. The clock is process time spent in training iterations; evaluation,
set-up and pictures do not count. The judge is the classifier of `cgan-dist evaluate`, trained on real images only; all
scores are on its readings and features. Prints a line per measurement, and the table of docs/benchmarks.md at the end.
`--real` names other shards to score against, as the whole of a set of which a config learns from a few.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import click
import torch

from cgan_dist.assembly.inputs import open_shards
from cgan_dist.assembly.trainer import build_trainer
from cgan_dist.config.document import load_config
from cgan_dist.data.loader import one_step_ahead
from cgan_dist.evaluation.evaluator import Evaluator
from cgan_dist.sampling.sampler import Sampler

MOST_LABELS, SAMPLES_OF_LABEL = 20, 8
METRICS = ("label_accuracy", "frechet_distance", "precision@classifier", "memorization")
SHOWN = {
    "label_accuracy": ".3f",
    "frechet_distance": ".1f",
    "precision@classifier": ".2f",
    "recall@classifier": ".2f",
    "memorization": ".2f",
}
"""Scores in the table, and how they are written."""


def measure(
    config: Path,
    seed: int,
    seconds: list[float],
    count: int,
    overrides: list[str],
    samples: Path | None = None,
    real: str | None = None,
) -> Iterator[dict[str, float]]:
    """Trains once and yields scores, and draws samples, each time the clock passes one of `seconds`."""
    with tempfile.TemporaryDirectory() as folder:
        own = [
            f"run={{name: quality, dir: {folder}, seed: {seed}}}",
            f"evaluate={{metrics: [{', '.join(METRICS)}], count: {count}}}",
            "data.workers=0",
            "tracking.trackers=[]",
        ]
        loaded = load_config(config, [*overrides, *own])
        trainer = build_trainer(loaded)
        maintenance = trainer.maintenance
        evaluator = maintenance.evaluator
        if real is not None:
            shards = open_shards(load_config(config, [*overrides, *own, f"data.path={real}"]).data)
            evaluator = Evaluator(shards, evaluator.label_space, loaded.evaluate, trainer.accelerator)
        batches = one_step_ahead(trainer.loader.batches(0), trainer.accelerator.device)
        spent = 0.0
        for mark in sorted(seconds):
            while spent < mark:
                started = time.process_time()
                trainer.step.iterate(batches, trainer.images_seen)
                trainer.images_seen += trainer.step.images_per_iteration
                spent += time.process_time() - started
            trainer.step.meter.reset()
            scored = evaluator.scores(maintenance.sampler)
            scores = {name.removeprefix("eval/"): value for name, value in scored.items()}
            if samples is not None:
                name = f"{config.parent.name}-{config.stem}-{seed}-{mark:g}.png"
                draw(maintenance.sampler, trainer.images_seen, samples / name)
            yield {"seconds": mark, "images": trainer.images_seen} | scores
        maintenance.close()


def draw(sampler: Sampler, images_seen: int, path: Path) -> None:
    """Writes a grid of samples, some of each label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = sampler.label_space.grid(MOST_LABELS)
    sampler.grid(labels, SAMPLES_OF_LABEL, "random", images_seen).save(path)


@click.command()
@click.argument("configs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seconds", multiple=True, type=float, default=(140.0,), help="CPU seconds at which to score.")
@click.option("--seeds", default=1, help="Runs of each config.")
@click.option("--first-seed", default=0)
@click.option("--count", default=10_000, help="Samples to score.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Applies to every config.")
@click.option("--real", help="Score against these shards, in place of those of training.")
@click.option("--out", type=click.Path(path_type=Path), help="Append each measurement as a line of JSON.")
@click.option("--samples", type=click.Path(path_type=Path), help="Folder for a grid of samples at each measurement.")
def main(
    configs: tuple[Path, ...],
    seconds: tuple[float, ...],
    seeds: int,
    first_seed: int,
    count: int,
    overrides: tuple[str, ...],
    real: str | None,
    out: Path | None,
    samples: Path | None,
) -> None:
    """Measures each config with each seed and prints the means."""
    torch.set_num_threads(1)
    found: dict[tuple[str, float], list[dict[str, float]]] = defaultdict(list)
    for seed in range(first_seed, first_seed + seeds):
        for config in configs:
            for scores in measure(config, seed, list(seconds), count, list(overrides), samples, real):
                found[str(config), scores["seconds"]].append(scores)
                line = json.dumps({"config": str(config), "seed": seed, "set": overrides} | scores)
                click.echo(line)
                if out is not None:
                    with out.open("a", encoding="utf-8") as file:
                        file.write(line + "\n")
    click.echo(
        "\n| config | CPU seconds | images | label accuracy | distance | precision | recall | memorization | (real) |"
        "\n|---|---|---|---|---|---|---|---|---|"
    )
    for (name, mark), rows in found.items():
        images = mean(row["images"] for row in rows)
        shown = " | ".join(" ".join(f"{row[key]:{form}}" for row in rows) for key, form in SHOWN.items())
        real = f"{rows[0]['label_accuracy/real_held_out']:.3f} / {rows[0]['frechet_distance/real_halves']:.1f}"
        click.echo(f"| `{name}` | {mark:g} | {images:,.0f} | {shown} | {real} |")


if __name__ == "__main__":
    main()
