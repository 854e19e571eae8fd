"""Slurm's own commands: submit a file, ask for a job."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cgan_dist.errors import UserError

TIMEOUT_SECONDS = 60
ENDED = (
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "NODE_FAIL",
    "PREEMPTED",
    "BOOT_FAIL",
    "DEADLINE",
    "OUT_OF_MEMORY",
)


class Job(NamedTuple):
    """What Slurm says about a job.

    Attributes:
        number: its id, `7` or `7_0` for a task of an array.
        state: in Slurm's words, e.g. RUNNING.
        reason: why it waits or how it ended; empty if there is none.
        nodes: Slurm's list of them; empty before it has any.
        spent: time since it started, as Slurm writes it.
        limit: of its time.
        restarts: how often it was requeued.
    """

    number: str
    state: str
    reason: str
    nodes: str
    spent: str
    limit: str
    restarts: int

    @property
    def is_over(self) -> bool:
        """Whether it will not run again."""
        return self.state in ENDED

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        nodes = f" on {self.nodes}" if self.nodes else ""
        return f"{self.number}: {self.state}{reason}{nodes}, {self.spent} of {self.limit}, {self.restarts} restart(s)"


def submit(file: Path, *options: str) -> str:
    """Hands a batch file to sbatch and returns the job's id.

    Raises:
        UserError: if there is no Slurm here, or it refuses.
    """
    winning = "SBATCH_"  # over what the file says, so that a file written today would do something else tomorrow
    environment = {name: value for name, value in os.environ.items() if not name.startswith(winning)}
    return _called(["sbatch", "--parsable", *options, str(file)], environment).split(";")[0].strip()


def find_job(number: str) -> Job | None:
    """Asks Slurm for a job; None if it knows no such job any more, which is so some minutes after the job's end.

    Raises:
        UserError: if there is no Slurm here, or it does not answer.
    """
    try:
        text = _called(["scontrol", "show", "job", number, "--oneliner"])
    except UserError as error:
        if "Invalid job id" in str(error):
            return None
        raise
    fields = dict(re.findall(r"(\w+)=(\S*)", text.splitlines()[0]))
    return Job(
        number=number,
        state=fields["JobState"],
        reason="" if fields["Reason"] == "None" else fields["Reason"],
        nodes=fields.get("NodeList", "").replace("(null)", ""),
        spent=fields["RunTime"],
        limit=fields["TimeLimit"],
        restarts=int(fields["Restarts"]),
    )


def _called(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    if shutil.which(command[0]) is None:
        raise UserError(
            f"{command[0]}: not found, so this machine is no login node of a Slurm cluster. Log in to one, or look at "
            "the file with --dry-run."
        )
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{command[0]}: Slurm did not answer within {TIMEOUT_SECONDS} s; try again later.") from None
    if done.returncode:
        raise UserError(f"{' '.join(command)}: Slurm refuses: {' '.join(done.stderr.split()) or 'no reason given'}")
    return done.stdout
