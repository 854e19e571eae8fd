"""Command `evaluate`: scores of a run's generator against the real images."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cgan_dist.command import UserCommand


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--metrics", default="label_accuracy", show_default=True, help="Names, separated by commas.")
@click.option("--count", default=10_000, show_default=True, type=click.IntRange(1), help="Samples to score.")
@click.option("--seed", default=0, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Shards, if they moved since training.")
def evaluate(run: Path, metrics: str, count: int, seed: int, data: Path | None) -> None:
    """Score the EMA generator of a run folder or a checkpoint against the real shards."""
    from cgan_dist.checkpoint import find_checkpoint
    from cgan_dist.distributed import local_device
    from cgan_dist.saved import load_evaluation

    checkpoint = find_checkpoint(run)
    evaluator, sampler = load_evaluation(
        checkpoint, [name.strip() for name in metrics.split(",")], count, seed, data, local_device()
    )
    scores = evaluator.scores(sampler)
    for name, value in scores.items():
        click.echo(f"{name.removeprefix('eval/')}: {value:.4f}")
    report = {
        "checkpoint": checkpoint.folder.name,
        "images": checkpoint.images_seen,
        "count": count,
        "seed": seed,
        "data": evaluator.shards.manifest.fingerprint,
    } | scores
    if (run / "config.yaml").exists():
        (run / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
