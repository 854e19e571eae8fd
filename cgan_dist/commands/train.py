"""Commands `train`, `check` and `resume-info`: a run, before, during and after."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.command import CONFIG_OPTION, OVERRIDES, UserCommand


@click.command(cls=UserCommand)
@CONFIG_OPTION
@click.option(
    "--tracker",
    "trackers",
    multiple=True,
    metavar="[none|wandb|tensorboard|MODULE:CLASS]",
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


@click.command(cls=UserCommand)
@CONFIG_OPTION
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="World size to check for.")
@OVERRIDES
def check(config: Path, processes: int, overrides: tuple[str, ...]) -> None:
    """Build everything, check shards and divisibility, and run one step on fake data, without training."""
    from cgan_dist.config import load_config
    from cgan_dist.dry_run import dry_run

    click.echo(dry_run(load_config(config, overrides), processes))


@click.command("resume-info", cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
def resume_info(run: Path) -> None:
    """Say what a run folder holds, which of its checkpoints are whole, and where the next start goes on."""
    from cgan_dist.resume_info import describe_run

    click.echo(describe_run(run))
