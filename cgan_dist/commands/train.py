"""Commands `train`, `check` and `resume-info`: a run, before, during and after."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.commands.base import (
    CONFIG_OPTION,
    FROM_OPTION,
    FROM_TRUST_OPTION,
    KEEP_CLOCK_OPTION,
    OVERRIDES,
    RUN,
    UserCommand,
)
from cgan_dist.commands.say import say


@click.command(cls=UserCommand)
@CONFIG_OPTION
@click.option(
    "--tracker",
    "trackers",
    multiple=True,
    metavar="[none|wandb|tensorboard|MODULE:CLASS]",
    help="Tracker in place of tracking.trackers; may be given many times.",
)
@FROM_OPTION
@KEEP_CLOCK_OPTION
@FROM_TRUST_OPTION
@OVERRIDES
def train(
    config: Path,
    trackers: tuple[str, ...],
    start_from: Path | None,
    keep_clock: bool,
    trust_code: bool,
    overrides: tuple[str, ...],
) -> None:
    """Train, or go on from the run folder's newest checkpoint.

    Any key of the config can be overridden: train.batch_size=128. For several processes start it with a launcher:

    accelerate launch launch/train.py --config configs/demo.yaml
    """
    from cgan_dist.config.document import load_config
    from cgan_dist.data.workers import start_server

    chosen = [name for name in trackers if name != "none"]
    extra = [f"tracking.trackers=[{', '.join(chosen)}]"] if trackers else []
    run = load_config(config, [*overrides, *extra])
    if run.data.workers:
        start_server()  # it imports PyTorch while this process does

    from cgan_dist.assembly.start import Origin
    from cgan_dist.assembly.trainer import build_trainer
    from cgan_dist.distributed.group import leave_group

    trainer = build_trainer(run, Origin.typed(start_from, keep_clock, trust_code))
    try:
        trainer.fit()
    finally:
        trainer.maintenance.close()
    accelerator = trainer.accelerator
    del trainer
    leave_group(accelerator)


@click.command(cls=UserCommand)
@CONFIG_OPTION
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="Processes to check for.")
@click.option(
    "--no-measure",
    is_flag=True,
    help="Do not say what the run will take, for which steps are measured, up to a minute.",
)
@OVERRIDES
def check(config: Path, processes: int, no_measure: bool, overrides: tuple[str, ...]) -> None:
    """Check a config and its shards, try a step, and say what the run will take.

    Everything is built as for training; steps are on fake data, and nothing is trained or written. Any key of the
    config can be overridden: train.batch_size=128.
    """
    from cgan_dist.assembly.dry_run import dry_run
    from cgan_dist.config.document import load_config

    say(dry_run(load_config(config, overrides), processes, measures=not no_measure))


@click.command("resume-info", cls=UserCommand)
@RUN
def resume_info(run: Path) -> None:
    """Say which checkpoints of a run are whole, and where it goes on.

    RUN is a run folder.
    """
    from cgan_dist.runs.resume import describe_run

    say(describe_run(run))
