"""The command line: `cgan-dist COMMAND`, `python -m cgan_dist COMMAND`, and the scripts in launch/."""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cgan_dist import __version__
from cgan_dist.errors import UserError

if TYPE_CHECKING:
    from cgan_dist.data.shards import ShardSet

CONFIG_OPTION = click.option("--config", required=True, type=click.Path(path_type=Path), help="YAML file.")
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[SECTION.KEY=VALUE]...")
EXIT_USER_ERROR = 2
SILENT_SECONDS = 3
SHEET = "contact-sheet.png"
HISTOGRAM_COLUMNS, HISTOGRAM_ROWS = 40, 200
GRID_COLUMNS = 16
GRID_CLASSES = 64


class UserCommand(click.Command):
    """Shows a UserError as one message, without a traceback, and exits with code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))  # a script in launch/ does not see the user's plug-ins otherwise
        try:
            return super().invoke(ctx)
        except UserError as error:
            from cgan_dist.distributed import launched_rank

            if launched_rank() > 0:
                time.sleep(SILENT_SECONDS)  # what rank 0 has found too, it has said; then the launcher ends this rank
            who = f"Error (rank {launched_rank()}): " if launched_rank() else "Error: "
            click.secho(who, fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            sys.exit(EXIT_USER_ERROR)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Distributed training of conditional GANs."""


@main.command(cls=UserCommand)
@CONFIG_OPTION
@click.option(
    "--tracker",
    "trackers",
    multiple=True,
    type=click.Choice(["none", "wandb", "tensorboard"]),
    help="Instead of tracking.trackers; may be given twice.",
)
@click.option(
    "--from",
    "start_from",
    type=click.Path(path_type=Path),
    help="Run folder or checkpoint of another run to begin with; ignored once this run has a checkpoint of its own.",
)
@OVERRIDES
def train(config: Path, trackers: tuple[str, ...], start_from: Path | None, overrides: tuple[str, ...]) -> None:
    """Train, or go on from the run folder's newest checkpoint.

    For several processes start it with a launcher: accelerate launch launch/train.py --config configs/demo.yaml
    """
    from cgan_dist.build import build_trainer
    from cgan_dist.config import load_config
    from cgan_dist.distributed import leave_group

    chosen = [name for name in trackers if name != "none"]
    extra = [f"tracking.trackers=[{', '.join(chosen)}]"] if trackers else []
    trainer = build_trainer(load_config(config, [*overrides, *extra]), start_from)
    try:
        trainer.fit()
    finally:
        trainer.maintenance.close()
    accelerator = trainer.accelerator
    del trainer
    leave_group(accelerator)


@main.command(cls=UserCommand)
@CONFIG_OPTION
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="World size to check for.")
@OVERRIDES
def check(config: Path, processes: int, overrides: tuple[str, ...]) -> None:
    """Build everything, check shards and divisibility, and run one step on fake data, without training."""
    from cgan_dist.config import load_config
    from cgan_dist.dry_run import dry_run

    click.echo(dry_run(load_config(config, overrides), processes))


@main.command(cls=UserCommand)
@click.argument("source")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--source", "folder", type=click.Path(path_type=Path), help="Folder with the files to read.")
@click.option("--split", default="train", show_default=True, help="train, valid, test or all, where the source has it.")
@click.option("--shards", default=8, show_default=True, help="How many; a multiple of data.streams mixes best.")
@click.option("--seed", default=0, show_default=True, help="Of the global shuffle.")
@click.option("--size", type=click.IntRange(1), help="Crop the centre square and resize it to this side.")
@click.option("--channels", type=click.Choice(["1", "3"]), help="Turn colour to grey, or repeat grey.")
@click.option(
    "--encoding", type=click.Choice(["raw", "jpeg", "png", "webp"]), help="Default: raw up to 64 px, else jpeg."
)
@click.option("--quality", default=95, show_default=True, type=click.IntRange(1, 100), help="Of jpeg and webp.")
@click.option("--processes", type=click.IntRange(1), help="Default: one per core.")
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the source, e.g. attributes=[Smiling]."
)
def prepare(
    source: str,
    out: Path,
    folder: Path | None,
    split: str,
    options: tuple[str, ...],
    processes: int | None,
    channels: str | None,
    **plan: Any,
) -> None:
    """Pack a labelled image set into WebDataset shards, with a manifest and a contact sheet.

    SOURCE is mnist5k, mnist, fashion_mnist, cifar10, celeba, folder, csv, jsonl, idx, npz, or package.module:function.
    """
    from cgan_dist.data import SOURCES
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage
    from cgan_dist.data.writer import Plan, write_shards
    from cgan_dist.yaml_text import set_dotted

    values: dict[str, Any] = {}
    for option in options:
        set_dotted(values, option)
    found = SOURCES.build(source, "SOURCE", values, folder=folder, split=split)
    write_shards(found, out, Plan(channels=int(channels) if channels else None, **plan), processes)
    _describe(ShardSet(Storage(out)), out / SHEET)


@main.command(cls=UserCommand)
@click.argument("folder")
@click.option(
    "--sheet", type=click.Path(path_type=Path), help="Where to draw the contact sheet; default: in the folder."
)
def inspect(folder: str, sheet: Path | None) -> None:
    """Print what a folder (or URL) of shards holds and draw its contact sheet."""
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage

    shards = ShardSet(Storage(folder))
    _describe(shards, sheet or (Path(SHEET) if shards.storage.is_remote else Path(folder) / SHEET))


@main.command(cls=UserCommand)
@click.argument("folder")
def verify(folder: str) -> None:
    """Read every shard of a folder (or URL) and hold it against the manifest: sha256, every image, every label."""
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage

    shards = ShardSet(Storage(folder), cache="none")
    shards.verify()
    click.echo(f"{folder}: {shards.manifest.count:,} images in {len(shards.manifest.shards)} shards, all as prepared.")


def _describe(shards: ShardSet, sheet: Path) -> None:
    from cgan_dist.data.sheet import contact_sheet

    manifest, image = shards.manifest, shards.manifest.image
    size = sum(shard.bytes for shard in manifest.shards) / 1e6
    click.echo(
        f"{shards.storage.location}: {manifest.count:,} images of {image.height}x{image.width}x{image.channels} "
        f"({image.encoding}) in {len(manifest.shards)} shards, {size:.1f} MB\nsource: {manifest.source}\n"
        f"labels: {manifest.labels.kind}"
    )
    widest = max(manifest.histogram.values(), default=0) or 1
    for name, count in islice(manifest.histogram.items(), HISTOGRAM_ROWS):
        click.echo(f"  {name:24} {count:>9,} {'#' * round(HISTOGRAM_COLUMNS * count / widest)}")
    if (more := len(manifest.histogram) - HISTOGRAM_ROWS) > 0:
        click.echo(f"  and {more:,} more, in {shards.storage.location}'s manifest")
    try:
        contact_sheet(shards).save(sheet, format="PNG")
    except OSError as error:
        raise UserError(f"{sheet}: cannot write the contact sheet: {error.strerror or error}.") from error
    click.echo(f"contact sheet: {sheet}")


@main.command("resume-info", cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
def resume_info(run: Path) -> None:
    """Say what a run folder holds, which of its checkpoints are whole, and where the next start goes on."""
    from cgan_dist.resume_info import describe_run

    click.echo(describe_run(run))


@main.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    help="Classes '0,3,sneaker', attributes 'Smiling=1,Male=0; Smiling', values 'azimuth=30; azimuth=60', or several "
    "kinds 'sneaker,Smiling=1; 3'. If left out, a png shows what there is, and an npz is balanced over classes or, for "
    "other labels, as the data is.",
)
@click.option("--per-label", default=8, show_default=True, type=click.IntRange(1), help="Rows of the grid.")
@click.option(
    "--z",
    default="random",
    show_default=True,
    type=click.Choice(["random", "fixed"]),
    help="A new z for every image, or one z a row for all labels.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--format", "kind", default="png", show_default=True, type=click.Choice(["png", "npz"]))
@click.option("--count", default=10_000, show_default=True, type=click.IntRange(1), help="Images of an npz file.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
def sample(run: Path, labels: str | None, per_label: int, z: str, seed: int, kind: str, count: int, out: Path) -> None:
    """Draw a grid (png) or many images (npz) from the EMA generator of a run folder or a checkpoint."""
    from cgan_dist.checkpoint import find_checkpoint
    from cgan_dist.distributed import local_device
    from cgan_dist.sampling import save_npz
    from cgan_dist.saved import load_sampler

    context = click.get_current_context()
    for option in ("z", "per_label") if kind == "npz" else ("count",):
        if context.get_parameter_source(option) is not click.core.ParameterSource.DEFAULT:
            raise UserError(f"--{option.replace('_', '-')} has no meaning for --format {kind}; leave it out.")
    checkpoint = find_checkpoint(run)
    sampler = load_sampler(checkpoint, seed, local_device())
    space = sampler.label_space
    chosen = space.parse(labels) if labels is not None else None
    try:
        if kind == "npz":
            save_npz(out, *(sampler.fair(count) if chosen is None else sampler.balanced(chosen, count)))
        else:
            if chosen is None:
                chosen = space.grid(GRID_CLASSES if space.schema.kind == "classes" else GRID_COLUMNS)
            sampler.grid(chosen, per_label, z, 0).save(out, format="PNG")
    except OSError as error:
        raise UserError(f"--out {out}: cannot write: {error.strerror or error}.") from error
    click.echo(f"{out}: {f'{count:,} images' if kind == 'npz' else 'grid'} from {checkpoint.folder}")


@main.command(cls=UserCommand)
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
