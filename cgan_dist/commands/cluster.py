"""Commands `submit`, `status` and `run-folder`: training as a Slurm job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(1), help="Nodes to train on.")
@click.option(
    "--gpus-per-node", metavar="[TYPE:]N", help="GPUs of each node, a process for each: 4, a100:4. Left out: CPUs."
)
@click.option(
    "--processes-per-node",
    "processes_per_cpu_node",
    envvar="PROCESSES_PER_NODE",
    type=click.IntRange(1),
    help="Processes on each node without GPUs. Default: 1.",
)
@click.option("--cpus-per-node", type=click.IntRange(1), help="Cores of each node, for processes and loader workers.")
@click.option("--time", "limit", help="Limit of one attempt, e.g. 02:00:00; after it the job goes on in another.")
@click.option("--partition", help="Partition to run in. Default: Slurm's.")
@click.option("--account", help="Account to charge. Default: Slurm's.")
@click.option(
    "--sbatch",
    "extra",
    multiple=True,
    metavar="--OPTION=VALUE",
    help="Option of sbatch; may be given many times.",
)
@click.option("--evaluate", "metrics", help="Metrics to score in a second job when the run is finished.")
@click.option("--dry-run", is_flag=True, help="Print the batch file; write and submit nothing.")
@FROM_OPTION
@KEEP_CLOCK_OPTION
@FROM_TRUST_OPTION
@OVERRIDES
def submit(
    config: Path,
    metrics: str | None,
    dry_run: bool,
    start_from: Path | None,
    keep_clock: bool,
    trust_code: bool,
    overrides: tuple[str, ...],
    **resources: Any,
) -> None:
    """Check a config and its shards, and train it as a Slurm job.

    The batch file is written into the run folder. Any key of the config can be overridden: train.batch_size=128.
    """
    from cgan_dist.assembly.inputs import check_inputs
    from cgan_dist.assembly.networks import build_networks
    from cgan_dist.assembly.start import Origin, choose_start
    from cgan_dist.checkpoints.store import CHECKPOINTS, Checkpoints
    from cgan_dist.config.document import load_config
    from cgan_dist.evaluation.evaluator import check_metrics
    from cgan_dist.runs.submission import (
        BOOK,
        Request,
        crowding_of_file,
        evaluation_file,
        submit_evaluation,
        submit_training,
        training_file,
    )

    request, loaded = Request(**resources), load_config(config, overrides)
    inputs = check_inputs(loaded, request.processes, rank=0, on_this_machine=request.gpus_per_node is None)
    networks, origin = (
        build_networks(loaded, inputs.spec, inputs.label_space),
        Origin.typed(start_from, keep_clock, trust_code),
    )
    if origin is not None:
        choose_start(Checkpoints(loaded.run.folder / CHECKPOINTS), origin, loaded, inputs, networks)
    names = [name.strip() for name in metrics.split(",")] if metrics is not None else []
    check_metrics(names, inputs.label_space)
    training = training_file(loaded, request, origin.options if origin else [])
    if (crowded := crowding_of_file(loaded, request, training)) is not None:
        say(f"Warning: {crowded}", err=True)
    scoring = evaluation_file(loaded, request, names) if names else ""
    if dry_run:
        say(training + scoring, nl=False)
        return
    number, folder = submit_training(loaded, training), loaded.run.folder
    say(
        f"Submitted job {number}: {folder}, {request.processes} process(es)\n"
        f"  cgan-dist status {folder}\n"
        f"  tail -f {folder}/{BOOK}/{loaded.run.name}-{number}.out\n"
        f"  scancel {number}"
    )
    if scoring:
        say(f"Submitted job {submit_evaluation(folder, scoring, number)}: scores {', '.join(names)} after it")


@click.command(cls=UserCommand)
@RUN
def status(run: Path) -> None:
    """Say how a run is getting on: its job, speed and time left.

    RUN is a run folder. Images seen, the last checkpoint and restarts are told too.
    """
    from cgan_dist.runs.status import describe_status

    say(describe_status(run))


@click.command("run-folder", cls=UserCommand, hidden=True)
@CONFIG_OPTION
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="Processes to check for.")
@click.option("--suffix", default="", help="Added to run.name, for one of several runs of a config.")
@FROM_OPTION
@KEEP_CLOCK_OPTION
@FROM_TRUST_OPTION
@OVERRIDES
def run_folder(
    config: Path,
    processes: int,
    suffix: str,
    start_from: Path | None,
    keep_clock: bool,
    trust_code: bool,
    overrides: tuple[str, ...],
) -> None:
    """Check config and shards, and print the run folder: what a job script needs before it starts processes."""
    from cgan_dist.assembly.inputs import check_inputs
    from cgan_dist.assembly.start import Origin
    from cgan_dist.config.document import load_config
    from cgan_dist.distributed.launch import launched_rank
    from cgan_dist.runs.submission import crowding_here

    Origin.typed(start_from, keep_clock, trust_code)  # for the training, which looks at it
    loaded = load_config(config, overrides)
    if suffix:
        loaded = load_config(config, [*overrides, f"run.name={loaded.run.name}{suffix}"])
    check_inputs(loaded, processes, rank=0)
    if launched_rank() == 0 and (crowded := crowding_here(loaded)) is not None:
        say(f"Warning: {crowded}", err=True)
    say(loaded.run.folder)
