"""Command `evaluate`: scores of a run's generator against the real images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cgan_dist.command import UserCommand
from cgan_dist.errors import UserError

if TYPE_CHECKING:
    from cgan_dist.candidates import Candidates
    from cgan_dist.checkpoint import Checkpoint
    from cgan_dist.evaluation import Evaluator
    from cgan_dist.sampling import Sampler
    from cgan_dist.sections import EvaluateConfig

SPLITS = click.Choice(["all", "train", "held_out"])


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--metrics", default="label_accuracy", show_default=True, help="Names, separated by commas; NAME@FEATURES too."
)
@click.option("--features", help="Extractor for the metrics that take one and name none: inception, classifier.")
@click.option("--count", default=10_000, show_default=True, type=click.IntRange(1), help="Samples to score.")
@click.option("--seed", default=0, show_default=True, help="Of the samples.")
@click.option("--truncation", type=float, help="Keep every entry of z at most this far from 0, e.g. 0.7.")
@click.option("--split", default="all", show_default=True, type=SPLITS, help="Real images to compare with.")
@click.option("--real-count", type=click.IntRange(1), help="Compare with at most so many.")
@click.option("--data", type=click.Path(path_type=Path), help="Shards to compare with, if they moved since training.")
@click.option("--real", type=click.Path(path_type=Path), help="Score these shards in place of samples.")
@click.option("--real-split", default="all", show_default=True, type=SPLITS, help="Which of them.")
@click.option("--shuffle-labels", is_flag=True, help="A control: score each sample by another one's label.")
@click.option("--inception-weights", type=click.Path(), help="File; left out: the run's, else torch's cache.")
@click.option("--inception-sha256", help="Of that file, if it is not the original one.")
def evaluate(run: Path, **options: Any) -> None:
    """Score the EMA generator of a run folder or a checkpoint against the real shards.

    For several processes: accelerate launch launch/evaluate.py RUN --metrics fid,kid --count 50000
    """
    from cgan_dist.checkpoint import find_checkpoint
    from cgan_dist.distributed import build_accelerator, leave_group
    from cgan_dist.saved import load_evaluation
    from cgan_dist.scoreboard import Scoreboard

    for option in ("shuffle_labels", "truncation"):
        if options[option] and options["real"]:
            raise UserError(f"--{option.replace('_', '-')} is about samples; it has no meaning with --real.")
    checkpoint = find_checkpoint(run)
    chosen = _evaluate_config(checkpoint, options)
    accelerator = build_accelerator("no", tf32=False)
    folder = _run_folder(run, checkpoint)
    board = Scoreboard(folder) if folder is not None and accelerator.is_main_process else None
    evaluator, sampler = load_evaluation(checkpoint, chosen, options["seed"], options["data"], accelerator)
    sampler.truncate(options["truncation"])
    candidates = _candidates(checkpoint, evaluator, sampler, options)
    scores = evaluator.score(candidates)
    if accelerator.is_main_process:
        entry = _entry(checkpoint, evaluator.protocol(candidates), scores)
        _show(entry, scores)
        if board is not None:
            board.add(entry)
            click.echo(f"written to {board.path}")
    leave_group(accelerator)


def _evaluate_config(checkpoint: Checkpoint, options: dict[str, Any]) -> EvaluateConfig:
    """The options as a config's section; what is not given of Inception's weights is that of the run."""
    from cgan_dist.config import parse_config
    from cgan_dist.metrics.chosen import on_features

    section = parse_config(checkpoint.state["config"], str(checkpoint.folder)).evaluate.model_dump()
    names = [name.strip() for name in options["metrics"].split(",")]
    given = {key: options[key] for key in ("count", "split", "real_count")}
    given |= {key: options[key] for key in ("inception_weights", "inception_sha256") if options[key] is not None}
    given["metrics"] = on_features(names, options["features"], "--metrics") if options["features"] else names
    values = checkpoint.state["config"] | {"evaluate": section | given}
    return parse_config(values, "cgan-dist evaluate").evaluate


def _run_folder(run: Path, checkpoint: Checkpoint) -> Path | None:
    """Where the report goes: the run's folder, of a checkpoint inside of it too; null for one that was copied out."""
    from cgan_dist.checkpoint import CHECKPOINTS

    holder = checkpoint.folder.resolve().parent
    folder = run if holder.name != CHECKPOINTS else holder.parent
    return folder if (folder / "config.yaml").exists() else None


def _candidates(checkpoint: Checkpoint, evaluator: Evaluator, sampler: Sampler, options: dict[str, Any]) -> Candidates:
    from cgan_dist.candidates import GeneratedImages, RealImages
    from cgan_dist.saved import load_shards
    from cgan_dist.selection import Selection

    count, channels = options["count"], evaluator.shards.manifest.image.channels
    if options["real"] is None:
        return GeneratedImages(sampler, count, channels, options["shuffle_labels"])
    shards = load_shards(checkpoint, options["real"], "--real")
    return RealImages(Selection(shards, sampler.label_space, options["real_split"], count))


def _entry(checkpoint: Checkpoint, protocol: dict[str, Any], scores: dict[str, float]) -> dict[str, Any]:
    from cgan_dist.score import to_state

    return {
        "checkpoint": checkpoint.folder.name,
        "images": checkpoint.images_seen,
        "protocol": protocol,
        "scores": to_state(scores),
    }


def _show(entry: dict[str, Any], scores: dict[str, float]) -> None:
    scored, reference = entry["protocol"]["scored"], entry["protocol"]["reference"]
    what = f"{scored['count']:,} {scored['images']} images"
    if scored["images"] == "generated":
        what += f" of {entry['checkpoint']} ({entry['images']:,} images seen), seed {scored['seed']}"
        what += ", labels shuffled" if scored["shuffled_labels"] else ""
    against = f"{reference['count']:,} real images ({reference['split']} of {reference['data'][:12]})"
    click.echo(f"{what}, against {against}")
    width = max(map(len, scores), default=0)
    for name, value in scores.items():
        click.echo(f"  {name:{width}}  {value:.5g}")
