"""The training loop: agree, maintain, step, move the clock."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import torch

from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.config.document import Config
from cgan_dist.data.batch import Batch
from cgan_dist.data.loader import Loader, one_step_ahead
from cgan_dist.distributed.buffers import own_buffers
from cgan_dist.distributed.collectives import from_all, from_main, greatest_over_ranks
from cgan_dist.resilience.preemption import Stop, StopRequest, leave_mark
from cgan_dist.resilience.rollback import RollbackBook
from cgan_dist.resilience.watchdog import Watchdog
from cgan_dist.training.alarms import Alert
from cgan_dist.training.maintenance import Maintenance
from cgan_dist.training.pace import Pace
from cgan_dist.training.progress_bar import ProgressBar
from cgan_dist.training.step import TrainStep

AGREE_EVERY_ITERATIONS = 16
LOG_SECONDS = 60.0
"""How often progress is written where there is no terminal, but the log of a job."""

logger = logging.getLogger(__name__)


class Agreement(NamedTuple):
    """What all ranks have found out together.

    Attributes:
        stop: whether to stop.
        skipped_in_a_row: updates, of the network that has most.
    """

    stop: Stop
    skipped_in_a_row: int


@dataclass(kw_only=True)
class Trainer:
    """One run: the step, and all that is done between steps. Every rank holds one; `build_trainer` assembles it.

    Attributes:
        folder: the run folder.
        images_seen: the clock: real images that D consumed, over all ranks.
    """

    config: Config
    folder: Path
    step: TrainStep
    loader: Loader
    maintenance: Maintenance
    stop: StopRequest
    rollbacks: RollbackBook
    watchdog: Watchdog
    images_seen: int = 0

    def __post_init__(self) -> None:
        self.accelerator = self.step.accelerator

    def fit(self) -> None:
        """Trains until `train.total_images` or a request to stop; safe to interrupt and to run again."""
        began_at = self.images_seen
        maintained = began_at > 0  # a checkpoint is the last thing that maintenance writes
        pace = Pace(self.config.train.total_images)
        self.maintenance.begin(self.images_seen)
        with self.stop, self.watchdog, self._progress() as progress, contextlib.ExitStack() as feed:
            batches = feed.enter_context(self._batches())
            while True:
                finished = self.images_seen >= self.config.train.total_images
                agreed = self._agree()
                if agreed.skipped_in_a_row >= self.config.guard.skips_in_a_row:
                    with self.watchdog.pause():
                        feed.close()
                        self._roll_back()
                    batches, maintained = feed.enter_context(self._batches()), True
                    progress.update(self.images_seen - progress.n)
                    continue
                stopping = agreed.stop is not Stop.NO and not finished
                due = self.maintenance.due(self.images_seen, finished, stopping)
                if due and not maintained:
                    with self.watchdog.pause():
                        self.maintenance.carry_out(due, self.images_seen, last=finished or stopping)
                        self.accelerator.wait_for_everyone()  # else the others would count as stuck while one draws
                if finished or stopping:
                    self._leave(agreed.stop if stopping else None, trained=self.images_seen > began_at)
                    break
                self.step.iterate(batches, self.images_seen)
                self.images_seen += self.step.images_per_iteration
                self.watchdog.beat(self.images_seen)
                progress.update(self.step.images_per_iteration)
                pace.beat(self.images_seen)
                maintained = False

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes everything from a checkpoint; every rank calls it."""
        step, device = self.step, self.accelerator.device
        for name, network in step.networks.items():
            network.load_state_dict(checkpoint.tensors(name))
        own_buffers(self.accelerator, step.networks.values(), checkpoint.tensors("statistics")["of_ranks"])
        for name, optimizer in step.optimizers.items():
            for kind in optimizer.optimizers:
                optimizer.restore(kind, checkpoint.optimizer(f"optimizer_{name[0]}_{kind}"))
            if optimizer.scaler is not None and name in checkpoint.state.get("scalers", {}):
                optimizer.scaler.load_state_dict(checkpoint.state["scalers"][name])
        step.restore(checkpoint.tensors("objective"))
        step.meter.restore(checkpoint.state["meter"], device)
        self.images_seen = checkpoint.images_seen

    def _batches(self) -> contextlib.closing[Generator[Batch, None, None]]:
        """Batches from here on; when it is closed, loader workers have ended, also where an error is held."""
        self.step.seed = self.rollbacks.seed(self.config.run.seed)
        self.loader.reseed(self.step.seed)
        return contextlib.closing(one_step_ahead(self.loader.batches(self.images_seen), self.accelerator.device))

    def _agree(self) -> Agreement:
        """Asks all ranks; now and then only, because it waits for the device and for the slowest rank."""
        reason = self.stop.reason()
        mine = reason.stop if reason else Stop.NO
        iteration = self.images_seen // self.step.images_per_iteration
        if iteration % AGREE_EVERY_ITERATIONS:
            return Agreement(mine if self.accelerator.num_processes == 1 else Stop.NO, 0)
        skips = torch.stack(list(self.step.skipped_in_a_row().values())).max()
        stop, in_a_row = greatest_over_ranks(self.accelerator, torch.stack([torch.full_like(skips, mine), skips]))
        return Agreement(Stop(int(stop)), int(in_a_row))

    def _roll_back(self) -> None:
        """Goes back to a checkpoint and on from there with other draws; every rank calls it.

        Raises:
            UserError: with a diagnosis, if there is no checkpoint or this has happened too often.
        """
        maintenance, failed_at = self.maintenance, self.images_seen
        in_a_row = {name: skips.item() for name, skips in self.step.skipped_in_a_row().items()}
        network = max(in_a_row, key=in_a_row.__getitem__)
        saved: dict[int, Path] = {}
        if self.accelerator.is_main_process:
            saved = {checkpoint.images_seen: checkpoint.folder for checkpoint in maintenance.checkpoints.whole()}
        saved = cast(dict[int, Path], from_main(saved))
        back = self.rollbacks.choose(list(saved))
        if back is None or not self.rollbacks.allowed():
            raise self.rollbacks.diagnosis(self.config, network, failed_at, maintenance.last_line)
        maintenance.check_folder()
        self.rollbacks.record(failed_at, back, network, write=self.accelerator.is_main_process)
        if self.accelerator.is_main_process:
            maintenance.checkpoints.go_back(back)
        self.accelerator.wait_for_everyone()
        self.restore(Checkpoint(saved[back]))
        maintenance.rewind(back)
        text = f"Gradients of the {network} were not finite at {failed_at:,} images; on from {back:,} with other draws."
        maintenance.alert(failed_at, [Alert("Rolled back", text)])

    def _leave(self, stop: Stop | None, trained: bool) -> None:
        """Says how it ended and marks the run; every rank calls it; `stop` is None if it is finished."""
        reasons = from_all(self.stop.reason()) if stop else []
        if not self.accelerator.is_main_process or not (trained or stop):
            return
        if stop is None:
            self.maintenance.alert(
                self.images_seen, [Alert("Finished", f"{self.images_seen:,} images.")], trouble=False
            )
            return
        self.maintenance.check_folder()
        asked = [reason for reason in reasons if reason is not None]
        why = min(asked, key=lambda reason: reason.stop is not stop).text  # another may have come since they agreed
        leave_mark(self.folder, stop, self.images_seen, why)
        text = f"Stopping at {self.images_seen:,} images: {why}. The same command goes on."
        self.maintenance.alert(self.images_seen, [Alert("Stopped", text)], trouble=False)

    @contextlib.contextmanager
    def _progress(self) -> Iterator[ProgressBar]:
        with ProgressBar(
            total=self.config.train.total_images,
            initial=self.images_seen,
            unit=" images",
            unit_scale=True,
            desc=self.config.run.name,
            disable=not self.accelerator.is_main_process,
            mininterval=1.0 if sys.stderr.isatty() else LOG_SECONDS,
            dynamic_ncols=True,
        ) as progress:
            yield progress
