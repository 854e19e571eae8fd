"""From a config to a Slurm job: the batch file that is written into the run folder, and what it freezes there.

The file is one of slurm/*.sbatch with options, site settings and arguments filled in, so it can be read, and submitted
again by hand.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.config.document import Config
from cgan_dist.config.named_code import named_code, opened
from cgan_dist.errors import UserError, has_control
from cgan_dist.files.whole import replacing
from cgan_dist.runs.slurm import Job, find_job, submit

TRAIN, EVALUATE = "train.sbatch", "evaluate.sbatch"
BOOK, JOB = "slurm", "job"
SITE = (
    "CGAN_DIST_SETUP",
    "CGAN_DIST_SRUN",
    "CGAN_DIST_PREFIX",
    "ACCELERATE_USE_CPU",
    "MAX_RESTARTS",
    "MAX_STALLS",
    "BACKOFF_SECONDS",
    "PET_SHUTDOWN_TIMEOUT",
)
"""What slurm/train.sbatch takes from the environment, so that a file written today does the same tomorrow."""
ENVIRONMENT = ("account", "partition", "qos", "reservation", "constraint")
"""Options that sbatch takes from SBATCH_ACCOUNT and so on; they are written into the file, and what is typed wins."""
DECIDES_PROCESSES = ("nodes", "ntasks", "ntasks-per-node", "gpus", "gpus-per-node", "gpus-per-task", "gres", "array")
"""Options of sbatch that would change the number of processes, for which config and shards have been checked."""
OF_ONE_JOB = ("time", "signal", "dependency", "begin", "requeue", "no-requeue")
"""Options of sbatch that a person gives for the training, and not for the evaluation after it."""
KEY_IN_SETUP = re.compile(r"\b(\w*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?))=(?!\$)\S", re.IGNORECASE)
"""What the set-up line should not say: a secret's value, and not where it is to be had, as in `$(cat FILE)`."""
OPTION = re.compile(r"^#SBATCH --([a-z-]+)(?:=(.*?))?(?:[ \t]+#.*)?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a job asks of the cluster.

    Attributes:
        nodes: how many.
        gpus_per_node: `N` or `TYPE:N`, a process for each; null for CPUs.
        processes_per_cpu_node: where there are no GPUs; null is 1.
        cpus_per_node: for its processes and their loader workers; null leaves the template's.
        limit: of the time of one attempt, in Slurm's form.
        partition: of the cluster.
        account: to be charged.
        extra: further options of sbatch as a person types them, `--name=value` or `--name`; they win.
    """

    nodes: int = 1
    gpus_per_node: str | None = None
    processes_per_cpu_node: int | None = None
    cpus_per_node: int | None = None
    limit: str | None = None
    partition: str | None = None
    account: str | None = None
    extra: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.gpus_per_node is not None and not re.fullmatch(r"([\w.-]+:)?[1-9]\d*", self.gpus_per_node):
            raise UserError(f"--gpus-per-node: found {self.gpus_per_node!r}; expected a number, or as in a100:4.")
        if self.gpus_per_node and self.processes_per_cpu_node:
            raise UserError(
                "--processes-per-node is for CPUs: with --gpus-per-node there is a process for each GPU. Leave it out, "
                "and PROCESSES_PER_NODE in the environment too."
            )
        for option in self.extra:
            if not (found := re.fullmatch(r"--([a-z][a-z-]*)(=.+)?", option)):
                raise UserError(f"--sbatch: found {option!r}; expected an option of sbatch, e.g. --sbatch=--mem=32G.")
            if found[1] in DECIDES_PROCESSES:
                raise UserError(
                    f"--sbatch: --{found[1]} would change the number of processes; expected --nodes, --gpus-per-node "
                    "([TYPE:]N) and --processes-per-node of cgan-dist itself. An array is for slurm/sweep.sbatch."
                )

    @property
    def processes_per_node(self) -> int:
        """How many are started on each node."""
        return int(self.gpus_per_node.split(":")[-1]) if self.gpus_per_node else self.processes_per_cpu_node or 1

    @property
    def processes(self) -> int:
        """The world size."""
        return self.nodes * self.processes_per_node


def training_file(config: Config, request: Request, options: Sequence[str] = ()) -> str:
    """The batch file that trains a config, as it is frozen in its run folder, with further options of `train`."""
    of_job = {"nodes": request.nodes, "time": request.limit} | _options(config, request)
    return _filled(TRAIN, of_job, request, [str(frozen_config(config)), *options])


def evaluation_file(config: Config, request: Request, metrics: Sequence[str]) -> str:
    """The batch file that scores the run on one node like those that trained it."""
    arguments = [str(config.run.folder), "--metrics", ",".join(metrics)]
    if named_code(config) or opened(config):
        arguments.append("--trust-code")  # it was typed; a node may not see the mark that another one makes
    kept = [option for option in request.extra if option.removeprefix("--").split("=")[0] not in OF_ONE_JOB]
    return _filled(EVALUATE, _options(config, request), replace(request, extra=kept), arguments)


def crowding(config: Config, processes: int, cpus: int) -> str | None:
    """What is to be said of a node with fewer CPUs than processes and loader workers; None if it has enough.

    Args:
        config: of the run.
        processes: on one node.
        cpus: of the job on that node.
    """
    wanted = processes * (1 + config.data.workers)
    if cpus >= wanted:
        return None
    each = f", each with {config.data.workers} loader worker(s)," if config.data.workers else ""
    return (
        f"data.workers: found {processes} process(es) on a node{each} with {cpus} CPU(s) between them; expected "
        f"{wanted}, or training may wait for data. Ask for them by cgan-dist submit --cpus-per-node {wanted} or "
        f"sbatch --cpus-per-task={wanted}, or lower data.workers."
    )


def crowding_of_file(config: Config, request: Request, text: str) -> str | None:
    """The same of a job that is not submitted yet, by its batch file."""
    return crowding(config, request.processes_per_node, int(dict(OPTION.findall(text))["cpus-per-task"]))


def crowding_here(config: Config) -> str | None:
    """The same inside of a job, by what slurm/train.sbatch exports; None elsewhere."""
    if not {"PROCESSES_PER_NODE", "SRUN_CPUS_PER_TASK"} <= os.environ.keys():
        return None
    return crowding(config, int(os.environ["PROCESSES_PER_NODE"]), int(os.environ["SRUN_CPUS_PER_TASK"]))


def submit_training(config: Config, text: str) -> str:
    """Freezes config and batch file in the run folder and submits; returns the job's id.

    Raises:
        UserError: if a job of this run waits or runs already, the folder cannot be written, or Slurm refuses.
    """
    book = config.run.folder / BOOK
    if (job := job_of(config.run.folder)) is not None and not job.is_over:
        raise UserError(
            f"run.name: {config.run.folder} has a job already, {job}. Wait for it, or: scancel {job.number}"
        )
    try:
        book.mkdir(parents=True, exist_ok=True)
        _write(frozen_config(config), config.to_yaml())
        _write(book / TRAIN, text)
        number = submit(book / TRAIN)
        _write(book / JOB, number + "\n")
    except OSError as error:
        raise UserError(f"run.dir: cannot write in {book}: {error.strerror}.") from error
    return number


def submit_evaluation(folder: Path, text: str, after: str) -> str:
    """Submits an evaluation that waits until a job has finished well, and goes if it has not; returns its id."""
    _write(folder / BOOK / EVALUATE, text)
    return submit(folder / BOOK / EVALUATE, f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes")


def frozen_config(config: Config) -> Path:
    """Where the config is kept that a submitted job trains with, whatever becomes of the file it came from."""
    return config.run.folder / BOOK / "config.yaml"


def job_number(folder: Path) -> str:
    """The id of a run folder's last job; empty if there was none."""
    try:
        return read_text(folder / BOOK / JOB, RECORD_BYTES).strip()
    except OSError:
        return ""


def job_of(folder: Path) -> Job | None:
    """The last job of a run folder, or None if there was none or Slurm has forgotten it."""
    number = job_number(folder)
    return find_job(number) if number else None


def _options(config: Config, request: Request) -> dict[str, str | int | None]:
    return {
        "job-name": config.run.name,
        "gpus-per-node": request.gpus_per_node,
        "cpus-per-task": request.cpus_per_node,
        "partition": request.partition,
        "account": request.account,
        "chdir": str(Path.cwd()),
        "output": f"{config.run.folder.absolute() / BOOK}".replace("%", "%%") + "/%x-%j.out",
    }


def _filled(template: str, options: Mapping[str, str | int | None], request: Request, arguments: Sequence[str]) -> str:
    """Fills in one of slurm/*.sbatch: options, what the site sets, arguments; the rest stays as it is."""
    comments, body = _halves((files("cgan_dist.runs") / "batch_files" / template).read_text(encoding="utf-8"))
    chosen = dict(OPTION.findall("\n".join(comments)))
    chosen |= {name: os.environ[key] for name in ENVIRONMENT if (key := f"SBATCH_{name.upper()}") in os.environ}
    chosen |= {name: str(value) for name, value in options.items() if value is not None}
    for option in request.extra:
        name, _, value = option.removeprefix("--").partition("=")
        chosen[name] = value
    for name, value in chosen.items():
        if has_control(value):
            raise UserError(f"--{name}: found a line end or another control character in {value!r}; expected one line.")
    site = {"CGAN_DIST_SETUP": f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"}
    site |= {name: os.environ[name] for name in SITE if name in os.environ}
    if found := KEY_IN_SETUP.search(site["CGAN_DIST_SETUP"]):
        raise UserError(
            f"CGAN_DIST_SETUP: sets {found[1]}, which would be kept in the batch file in the run folder. Export it "
            "before `cgan-dist submit`, for sbatch hands the environment on, or source a file that only you can read."
        )
    site["PROCESSES_PER_NODE"] = str(request.processes_per_node)
    return "\n".join(
        [
            "#!/bin/bash",
            "# Written by `cgan-dist submit`; to submit it again: sbatch THIS_FILE",
            *(f"#SBATCH --{name}" + (f"={_quoted(value)}" if value else "") for name, value in chosen.items()),
            *(f"{name}={shlex.quote(value)}" for name, value in site.items()),
            f"set -- {shlex.join(arguments)}",
            body,
        ]
    )


def _write(path: Path, text: str) -> None:
    """A file for this user alone: the set-up line of a site may say what others should not read."""
    with replacing(path) as partial:
        partial.touch(mode=0o600)
        partial.write_text(text, encoding="utf-8")


def _quoted(value: str) -> str:
    """A value as sbatch reads it in a file: in quotes, where it would end at a space or begin a comment."""
    escaped = re.sub(r'(["\\])', r"\\\1", value)
    return f'"{escaped}"' if re.search(r"[\s#\"'\\]", value) else value


def _halves(text: str) -> tuple[list[str], str]:
    """The comments at the top, and what follows."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return lines[:first], "\n".join(lines[first:]) + "\n"
