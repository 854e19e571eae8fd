"""The training loop: agree on stopping, maintain, step, move the clock."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from PIL import Image
from torch import Tensor
from tqdm import tqdm

from cgan_dist.checkpoint import Checkpoint, Checkpoints
from cgan_dist.conditioning.spaces.columns import columns_of_space
from cgan_dist.config import Config
from cgan_dist.data.loader import Loader, one_step_ahead
from cgan_dist.distributed import all_finite, any_rank, average_buffers, mean_over_ranks, synchronize
from cgan_dist.errors import UserError
from cgan_dist.evaluation import Evaluator
from cgan_dist.grid import draw_grid
from cgan_dist.preemption import StopRequest
from cgan_dist.randomness import numpy_generator
from cgan_dist.sampling import Sampler
from cgan_dist.step import TrainStep
from cgan_dist.tracking import Trackers

AGREE_EVERY_ITERATIONS = 16

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Trainer:
    """One run: the step, and all that is done between steps. Every rank holds one; `build` assembles it.

    Attributes:
        folder: the run folder.
        facts: what else goes into every checkpoint (config, data, versions), JSON-ready.
        lock: the claim on the run folder, held as long as the trainer lives; None on every rank but 0.
        trackers: where numbers go; None on every rank but the main one.
        images_seen: the clock: real images that D consumed, over all ranks.
    """

    config: Config
    folder: Path
    step: TrainStep
    loader: Loader
    sampler: Sampler
    evaluator: Evaluator
    checkpoints: Checkpoints
    stop: StopRequest
    facts: dict[str, Any]
    lock: IO[str] | None = None
    trackers: Trackers | None = None
    images_seen: int = 0

    def __post_init__(self) -> None:
        self.accelerator = self.step.accelerator
        self.last_log_seconds = time.perf_counter()
        self.maintenance_seconds = 0.0
        self.images_timed = 0

    def fit(self) -> None:
        """Trains until `train.total_images` or a request to stop; safe to interrupt and to run again."""
        batches = one_step_ahead(self.loader.batches(self.images_seen), self.accelerator.device)
        maintained = self.images_seen > 0  # a checkpoint is the last thing that maintenance writes
        with self.stop, self._progress() as progress:
            while True:
                finished = self.images_seen >= self.config.train.total_images
                stopping = not finished and self._stop_agreed()
                if not maintained:
                    self._maintain(finished, stopping)
                if finished or stopping:
                    break
                self.step.iterate(batches, self.images_seen)
                self.images_seen += self.step.images_per_iteration
                self.images_timed += self.step.images_per_iteration
                progress.update(self.step.images_per_iteration)
                maintained = False

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes everything from a checkpoint; every rank calls it, before `fit`."""
        step, device = self.step, self.accelerator.device
        step.raw_generator.load_state_dict(checkpoint.tensors("generator"))
        step.raw_discriminator.load_state_dict(checkpoint.tensors("discriminator"))
        step.ema.network.load_state_dict(checkpoint.tensors("ema"))
        for network, optimizer in (("g", step.optimizer_g), ("d", step.optimizer_d)):
            for name in optimizer.optimizers:
                optimizer.restore(name, checkpoint.optimizer(f"optimizer_{network}_{name}"))
        step.objective.restore(checkpoint.tensors("objective"), device)
        if self.accelerator.scaler is not None and checkpoint.state["scaler"]:
            self.accelerator.scaler.load_state_dict(checkpoint.state["scaler"])
        step.meter.restore(checkpoint.state["meter"], device)
        self.images_seen = checkpoint.images_seen

    def _maintain(self, finished: bool, stopping: bool) -> None:
        """Logs, samples, evaluates and checkpoints, each on its own interval; every rank calls it."""
        config = self.config
        log = finished or self._due(config.tracking.interval_images)
        sample = finished or self._due(config.sample.interval_images) or not self.images_seen
        evaluate = bool(config.evaluate.metrics) and (finished or self._due(config.evaluate.interval_images))
        checkpoint = self.images_seen > 0 and (finished or stopping or self._due(config.checkpoint.interval_images))
        if log or sample or evaluate or checkpoint:
            synchronize(self.accelerator)
        started = time.perf_counter()
        if sample or evaluate or checkpoint:
            step = self.step
            average_buffers(self.accelerator, [step.raw_generator, step.raw_discriminator, step.ema.network])
        values = self._interval_means() if log else {}
        if self.trackers is not None:
            if evaluate:
                values |= self.evaluator.scores(self.sampler)
            if values:  # one line for one point of the clock
                self.trackers.scalars(self.images_seen, values)
                shown = " | ".join(f"{name} {value:.4g}" for name, value in values.items())
                logger.log(logging.INFO if sample else logging.DEBUG, "images %d | %s", self.images_seen, shown)
            if self._due(config.tracking.histograms_interval_images):
                self.trackers.histograms(self.images_seen, self._weights())
            if sample:
                self._sample()
        if checkpoint:
            self._checkpoint()
        if stopping:
            why = self.stop.reason() or "another process was asked to"
            logger.info("Stopping at %s images: %s. The same command goes on.", f"{self.images_seen:,}", why)
        self.maintenance_seconds += time.perf_counter() - started

    def _due(self, interval_images: int | None) -> bool:
        """Whether the clock has just reached or crossed a multiple of the interval; a pure function of the clock."""
        before = self.images_seen - self.step.images_per_iteration
        if interval_images is None or before < 0:
            return False
        return self.images_seen // interval_images > before // interval_images

    def _stop_agreed(self) -> bool:
        """Whether to stop now, the same answer on every rank; several processes ask each other now and then."""
        mine = self.stop.reason() is not None
        if self.accelerator.num_processes == 1:
            return mine
        iteration = self.images_seen // self.step.images_per_iteration
        return iteration % AGREE_EVERY_ITERATIONS == 0 and any_rank(self.accelerator, mine)

    def _interval_means(self) -> dict[str, float]:
        """Averages since the last log line, over ranks; empty if there was no step; every rank calls it."""
        means = mean_over_ranks(self.accelerator, self.step.meter.means())
        self.step.meter.reset()
        now = time.perf_counter()
        training_seconds = max(now - self.last_log_seconds - self.maintenance_seconds, 1e-9)
        images, waited_seconds = self.images_timed, self.step.waited_seconds
        self.last_log_seconds, self.maintenance_seconds = now, 0.0
        self.images_timed, self.step.waited_seconds = 0, 0.0
        self._check_finite(means)
        if not means:
            return {}
        return means | {
            "perf/images_per_second": images / training_seconds,
            "perf/data_wait": waited_seconds / training_seconds,
        }

    def _sample(self) -> None:
        sample = self.config.sample
        labels = self.sampler.label_space.grid(sample.max_classes)
        self._picture("random_z", self.sampler.grid(labels, sample.per_class, "random", self.images_seen))
        self._picture("fixed_z", self.sampler.grid(labels, sample.per_class, "fixed"))
        cells = self.loader.shards.examples(
            columns_of_space(self.sampler.label_space, labels),
            sample.per_class,
            numpy_generator(self.config.run.seed, "real", self.images_seen),
        )
        self._picture("real", draw_grid(cells, self.sampler.label_space.describe(labels)))

    def _picture(self, name: str, grid: Image.Image) -> None:
        path = self.folder / "samples" / f"{name}-{self.images_seen:012d}.png"
        path.parent.mkdir(exist_ok=True)
        grid.save(path)
        assert self.trackers is not None, "only the main process draws"
        self.trackers.picture(self.images_seen, name, path)

    def _weights(self) -> dict[str, Tensor]:
        nets = {"generator": self.step.raw_generator, "discriminator": self.step.raw_discriminator}
        return {
            f"{net}/{name}": parameter.detach()
            for net, module in nets.items()
            for name, parameter in module.named_parameters()
        }

    def _checkpoint(self) -> None:
        """Every rank calls it; the main process writes, and the others wait until it is on disk."""
        step = self.step
        means = mean_over_ranks(self.accelerator, step.meter.means())
        self._check_finite(means)
        if not all_finite([step.raw_generator, step.raw_discriminator, step.ema.network]):
            self._check_finite({"a weight": math.nan})
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            self.checkpoints.save(
                self.images_seen,
                networks={
                    "generator": step.raw_generator.state_dict(),
                    "discriminator": step.raw_discriminator.state_dict(),
                    "ema": step.ema.network.state_dict(),
                    "labels": self.sampler.distribution.state(),
                    "objective": step.objective.state(),
                },
                optimizers={
                    f"optimizer_{network}_{name}": state
                    for network, optimizer in (("g", step.optimizer_g), ("d", step.optimizer_d))
                    for name, state in optimizer.state().items()
                },
                state=self.facts
                | {"meter": step.meter.state(means), "scaler": scaler.state_dict() if scaler else None},
            )
        self.accelerator.wait_for_everyone()

    def _check_finite(self, values: dict[str, float]) -> None:
        """Refuses to go on, and to save, where training has diverged; the same on every rank."""
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise UserError(
                f"Training diverged: {', '.join(bad)} is not finite at {self.images_seen:,} images. The checkpoints in "
                f"{self.checkpoints.folder} are from before. Lower optim.lr, or raise loss.penalties."
            )

    @contextlib.contextmanager
    def _progress(self) -> Iterator[tqdm[Any]]:
        with tqdm(
            total=self.config.train.total_images,
            initial=self.images_seen,
            unit=" images",
            unit_scale=True,
            desc=self.config.run.name,
            disable=not self.accelerator.is_main_process,
            mininterval=1.0,
            dynamic_ncols=True,
        ) as progress:
            yield progress
