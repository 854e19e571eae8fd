"""The training loop: agree, maintain, step, move the clock."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import torch
from tqdm import tqdm

from cgan_dist.alarms import Alert
from cgan_dist.checkpoint import Checkpoint
from cgan_dist.config import Config
from cgan_dist.data.loader import Loader, one_step_ahead
from cgan_dist.distributed import from_all, from_main, greatest_over_ranks, own_buffers
from cgan_dist.maintenance import Maintenance
from cgan_dist.preemption import Stop, StopRequest, leave_mark
from cgan_dist.rollback import RollbackBook
from cgan_dist.step import TrainStep
from cgan_dist.types import Batch
from cgan_dist.watchdog import Watchdog

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
    """One run: the step, and all that is done between steps. Every rank holds one; `build` assembles it.

    Attributes:
        folder: the run folder.
        lock: the claim on the run folder, held as long as the trainer lives; None on every rank but 0.
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
    lock: IO[str] | None = None
    images_seen: int = 0

    def __post_init__(self) -> None:
        self.accelerator = self.step.accelerator

    def fit(self) -> None:
        """Trains until `train.total_images` or a request to stop; safe to interrupt and to run again."""
        began_at, batches = self.images_seen, self._batches()
        maintained = began_at > 0  # a checkpoint is the last thing that maintenance writes
        self.maintenance.begin(self.images_seen)
        with self.stop, self.watchdog, self._progress() as progress:
            while True:
                finished = self.images_seen >= self.config.train.total_images
                agreed = self._agree()
                if agreed.skipped_in_a_row >= self.config.guard.skips_in_a_row:
                    with self.watchdog.pause():
                        self._roll_back()
                    batches, maintained = self._batches(), True
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
        step.objective.restore(checkpoint.tensors("objective"), device)
        step.meter.restore(checkpoint.state["meter"], device)
        self.images_seen = checkpoint.images_seen

    def _batches(self) -> Iterator[Batch]:
        self.step.seed = self.rollbacks.seed(self.config.run.seed)
        self.loader.reseed(self.step.seed)
        return one_step_ahead(self.loader.batches(self.images_seen), self.accelerator.device)

    def _agree(self) -> Agreement:
        """Asks all ranks; now and then only, because it waits for the device and for the slowest rank."""
        reason = self.stop.reason()
        mine = reason.stop if reason else Stop.NO
        iteration = self.images_seen // self.step.images_per_iteration
        if iteration % AGREE_EVERY_ITERATIONS:
            return Agreement(mine if self.accelerator.num_processes == 1 else Stop.NO, 0)
        skips = torch.stack(list(self.step.skipped_in_a_row().values())).max()
        stop, in_a_row = greatest_over_ranks(self.accelerator, torch.stack([skips.new_tensor(float(mine)), skips]))
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
        asked = [reason for reason in reasons if reason is not None]
        why = min(asked, key=lambda reason: reason.stop is not stop).text  # another may have come since they agreed
        leave_mark(self.folder, stop, self.images_seen, why)
        text = f"Stopping at {self.images_seen:,} images: {why}. The same command goes on."
        self.maintenance.alert(self.images_seen, [Alert("Stopped", text)], trouble=False)

    @contextlib.contextmanager
    def _progress(self) -> Iterator[tqdm[Any]]:
        with tqdm(
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
