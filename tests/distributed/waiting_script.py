"""Run by two processes: in a metric rank 0 works for longer than a collective may take, or fails, or dies."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import click
import torch.distributed as dist

from cgan_dist.commands import base
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.config.values import Named
from cgan_dist.config.watching import EvaluateConfig
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.distributed.group import TIMEOUT_MINUTES, build_accelerator, leave_group
from cgan_dist.errors import UserError
from cgan_dist.evaluation.candidates import RealImages
from cgan_dist.evaluation.evaluator import Evaluator
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.evaluation.selection import Selection

LIMIT_SECONDS = 4.0
"""Of a collective of rank 1, while rank 0 computes the metric."""


class Alone(Metric):
    """Ends in four ways."""

    needs_real = False

    def __init__(self, how: str) -> None:
        self.how = how

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        match self.how:
            case "refuses":
                raise UserError("alone: found too few images.")
            case "breaks":
                raise ZeroDivisionError("a bug in a plug-in")
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case _:
                time.sleep(3 * LIMIT_SECONDS)
        return {"alone": float(len(fakes.labels))}


@click.command(cls=base.UserCommand)
@click.argument("shards", type=click.Path(path_type=Path))
@click.argument("how")
def main(shards: Path, how: str) -> None:
    """Scores the real images by one metric and prints what this rank learns of it."""
    base.SILENT_SECONDS = 0
    accelerator = build_accelerator("no")
    own = ShardSet(Storage(shards))
    space = Classes(own.manifest.labels)
    config = EvaluateConfig(metrics=[Named(name=f"{__name__}:Alone", args={"how": how})])
    evaluator = Evaluator(own, space, config, accelerator)
    candidates = RealImages(Selection(own, space))
    accelerator.wait_for_everyone()
    if accelerator.process_index == 1:
        dist.set_timeout(timedelta(seconds=LIMIT_SECONDS))
    scores = evaluator.score(candidates)
    dist.set_timeout(timedelta(minutes=TIMEOUT_MINUTES))
    click.echo(scores)
    leave_group(accelerator)


if __name__ == "__main__":
    main()
