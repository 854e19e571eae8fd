"""Command `evaluate`: scores of a run's generator against the real images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cgan_dist.commands.base import RUN, UserCommand
from cgan_dist.commands.code import AUTOENCODER_OPTION, TRUST_OPTION, naming
from cgan_dist.commands.drawing import SEED, TRUNCATION
from cgan_dist.commands.place import Place
from cgan_dist.commands.say import say
from cgan_dist.errors import UserError

if TYPE_CHECKING:
    from cgan_dist.checkpoints.store import Checkpoint
    from cgan_dist.config.watching import EvaluateConfig
    from cgan_dist.evaluation.candidates import Candidates
    from cgan_dist.evaluation.evaluator import Evaluator
    from cgan_dist.sampling.sampler import Sampler

SPLITS = click.Choice(["all", "train", "held_out"])


@click.command(cls=UserCommand)
@RUN
@naming(
    "--metrics",
    default="label_accuracy",
    show_default=True,
    help="Names or NAME@FEATURES, separated by commas.",
)
@naming("--features", help="Features for metrics that take some and name none: inception, classifier.")
@click.option("--count", default=10_000, show_default=True, type=click.IntRange(1), help="Samples to score.")
@SEED
@TRUNCATION
@click.option("--split", default="all", show_default=True, type=SPLITS, help="Real images to compare with.")
@click.option("--real-count", type=click.IntRange(1), help="Compare with at most so many real images.")
@click.option("--data", type=Place(), help="Shards to compare with, a folder or a URL. Default: those of training.")
@click.option("--real", type=Place(), help="Score these shards in place of samples.")
@click.option(
    "--real-split", default="all", show_default=True, type=SPLITS, help="Part of the shards of --real to score."
)
@click.option("--shuffle-labels", is_flag=True, help="A control: score each sample by another one's label.")
@click.option(
    "--inception-weights",
    metavar="FILE",
    help="File of Inception's weights. Default: the run's, else torch's cache.",
)
@click.option("--inception-sha256", help="Hash of that file, if it is not the original one.")
@AUTOENCODER_OPTION
@TRUST_OPTION
def evaluate(run: Path, **options: Any) -> None:
    """Score a run's generator against the real images.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) is scored. For several processes:

    accelerate launch launch/evaluate.py RUN --metrics fid,kid --count 50000
    """
    from cgan_dist.assembly.saved import load_evaluation
    from cgan_dist.checkpoints.store import find_checkpoint
    from cgan_dist.distributed.group import build_accelerator, leave_group
    from cgan_dist.evaluation.scoreboard import Scoreboard

    for option in ("shuffle_labels", "truncation"):
        if options[option] and options["real"]:
            raise UserError(f"--{option.replace('_', '-')} is about samples; it has no meaning with --real.")
    checkpoint = find_checkpoint(run)
    chosen = _evaluate_config(checkpoint, options)
    accelerator = build_accelerator("no", tf32=False)
    folder = _run_folder(run, checkpoint)
    board = Scoreboard(folder) if folder is not None and accelerator.is_main_process else None
    evaluator, sampler = load_evaluation(
        checkpoint, chosen, options["seed"], options["data"], accelerator, options["trust_code"], options["autoencoder"]
    )
    sampler.truncate(options["truncation"])
    candidates = _candidates(checkpoint, evaluator, sampler, options)
    scores = evaluator.score(candidates)
    if accelerator.is_main_process:
        entry = _entry(checkpoint, evaluator.protocol(candidates), scores)
        _show(entry, scores)
        if board is not None and not board.is_writable:
            say(f"not kept: {board.path.parent} cannot be written", err=True)
        elif board is not None:
            board.add(entry)
            say(f"written to {board.path}")
    leave_group(accelerator)


def _evaluate_config(checkpoint: Checkpoint, options: dict[str, Any]) -> EvaluateConfig:
    """The options as a config's section; what is not given of Inception's weights is that of the run."""
    from cgan_dist.assembly.trust import check_opened
    from cgan_dist.config.document import parse_config
    from cgan_dist.evaluation.metrics.chosen import on_features

    saved, source = parse_config(checkpoint.state["config"], str(checkpoint.folder)), str(checkpoint.folder)
    if options["inception_weights"] is None:
        check_opened(saved, source, "evaluate.inception_weights", "--inception-weights", options["trust_code"])
    section = saved.evaluate.model_dump()
    names = [name.strip() for name in options["metrics"].split(",")]
    given = {key: options[key] for key in ("count", "split", "real_count")}
    given |= {key: options[key] for key in ("inception_weights", "inception_sha256") if options[key] is not None}
    given["metrics"] = on_features(names, options["features"], "--metrics") if options["features"] else names
    values = checkpoint.state["config"] | {"evaluate": section | given}
    return parse_config(values, "cgan-dist evaluate").evaluate


def _run_folder(run: Path, checkpoint: Checkpoint) -> Path | None:
    """Where the report goes: the run's folder, of a checkpoint inside of it too; null for one that was copied out."""
    from cgan_dist.checkpoints.store import CHECKPOINTS

    holder = checkpoint.folder.resolve().parent
    folder = run if holder.name != CHECKPOINTS else holder.parent
    return folder if (folder / "config.yaml").exists() else None


def _candidates(checkpoint: Checkpoint, evaluator: Evaluator, sampler: Sampler, options: dict[str, Any]) -> Candidates:
    from cgan_dist.assembly.saved import load_shards
    from cgan_dist.evaluation.candidates import GeneratedImages, RealImages
    from cgan_dist.evaluation.selection import Selection

    count, channels = options["count"], evaluator.shards.manifest.image.picture.channels
    if options["real"] is None:
        return GeneratedImages(sampler, count, channels, options["shuffle_labels"])
    shards = load_shards(checkpoint, options["real"], "--real", options["trust_code"], sampler)
    return RealImages(Selection(shards, sampler.label_space, options["real_split"], count))


def _entry(checkpoint: Checkpoint, protocol: dict[str, Any], scores: dict[str, float]) -> dict[str, Any]:
    from cgan_dist.config.score import to_state

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
    say(f"{what}, against {against}")
    width = max(map(len, scores), default=0)
    for name, value in scores.items():
        say(f"  {name:{width}}  {value:.5g}")
