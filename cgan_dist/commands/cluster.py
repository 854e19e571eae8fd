"""Commands `submit`, `status` and `run-folder`: training as a Slurm job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cgan_dist.command import CONFIG_OPTION, OVERRIDES, UserCommand


@click.command(cls=UserCommand)
@CONFIG_OPTION
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(1))
@click.option("--gpus-per-node", metavar="[TYPE:]N", help="A process for each, e.g. 4 or a100:4; left out: CPUs.")
@click.option(
    "--processes-per-node",
    "processes_per_cpu_node",
    envvar="PROCESSES_PER_NODE",
    type=click.IntRange(1),
    help="On CPUs; default: 1.",
)
@click.option("--cpus-per-node", type=click.IntRange(1), help="For its processes and their loader workers.")
@click.option("--time", "limit", help="Of one attempt, e.g. 02:00:00; the job goes on after it until it is finished.")
@click.option("--partition")
@click.option("--account")
@click.option("--sbatch", "extra", multiple=True, metavar="--OPTION=VALUE", help="Of sbatch; may be given many times.")
@click.option("--evaluate", "metrics", help="Score these metrics in a second job when the run is finished.")
@click.option("--dry-run", is_flag=True, help="Print the batch file; write and submit nothing.")
@OVERRIDES
def submit(config: Path, metrics: str | None, dry_run: bool, overrides: tuple[str, ...], **resources: Any) -> None:
    """Check config and shards here, write the batch file into the run folder, and submit it to Slurm."""
    from cgan_dist.config import load_config
    from cgan_dist.evaluation import check_metrics
    from cgan_dist.inputs import check_inputs
    from cgan_dist.networks import build_networks
    from cgan_dist.submission import (
        BOOK,
        Request,
        evaluation_file,
        submit_evaluation,
        submit_training,
        training_file,
    )

    request, loaded = Request(**resources), load_config(config, overrides)
    inputs = check_inputs(loaded, request.processes, rank=0, on_this_machine=request.gpus_per_node is None)
    build_networks(loaded, inputs.spec, inputs.label_space)
    names = [name.strip() for name in metrics.split(",")] if metrics is not None else []
    check_metrics(names, inputs.label_space)
    training = training_file(loaded, request)
    scoring = evaluation_file(loaded, request, names) if names else ""
    if dry_run:
        click.echo(training + scoring, nl=False)
        return
    number, folder = submit_training(loaded, training), loaded.run.folder
    click.echo(
        f"Submitted job {number}: {folder}, {request.processes} process(es)\n"
        f"  cgan-dist status {folder}\n"
        f"  tail -f {folder}/{BOOK}/{loaded.run.name}-{number}.out\n"
        f"  scancel {number}"
    )
    if scoring:
        click.echo(f"Submitted job {submit_evaluation(folder, scoring, number)}: scores {', '.join(names)} after it")


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
def status(run: Path) -> None:
    """Say how a run is getting on: its job, images seen, speed, time left, last checkpoint, restarts."""
    from cgan_dist.run_status import describe_status

    click.echo(describe_status(run))


@click.command("run-folder", cls=UserCommand)
@CONFIG_OPTION
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="World size to check for.")
@click.option("--suffix", default="", help="Of run.name: for one of several runs of a config.")
@OVERRIDES
def run_folder(config: Path, processes: int, suffix: str, overrides: tuple[str, ...]) -> None:
    """Check config and shards, and print the run folder: what a job script needs before it starts processes."""
    from cgan_dist.config import load_config
    from cgan_dist.inputs import check_inputs

    loaded = load_config(config, overrides)
    if suffix:
        loaded = load_config(config, [*overrides, f"run.name={loaded.run.name}{suffix}"])
    check_inputs(loaded, processes, rank=0)
    click.echo(loaded.run.folder)
