"""What is done between steps, each on its own interval: log, sample, evaluate, checkpoint."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from cgan_dist.checkpoints.store import Checkpoints
from cgan_dist.conditioning.spaces.columns import columns_of_space
from cgan_dist.config.document import Config
from cgan_dist.data.shards import ShardSet
from cgan_dist.distributed.buffers import averaged_buffers
from cgan_dist.distributed.collectives import all_finite, differing_replicas, greatest_over_ranks
from cgan_dist.distributed.group import synchronize
from cgan_dist.errors import UserError
from cgan_dist.evaluation.evaluator import Evaluator
from cgan_dist.files.whole import replacing
from cgan_dist.grid import draw_grid
from cgan_dist.randomness import numpy_generator
from cgan_dist.runs.claim import Claim
from cgan_dist.sampling.sampler import Sampler
from cgan_dist.trackers.base import SAMPLES
from cgan_dist.training.alarms import VARIANCE_RATIO, Alarms, Alert, variance_ratio
from cgan_dist.training.gauges import ema_values, memory_values, scheduled_values
from cgan_dist.training.meter import finite_means
from cgan_dist.training.step import TrainStep
from cgan_dist.training.tracking import Trackers

DIGITS = 9
"""As many as tell any two float32 apart; a line has no more."""

logger = logging.getLogger(__name__)


class Due(NamedTuple):
    """What is due at one point of the clock; a pure function of it."""

    log: bool
    sample: bool
    evaluate: bool
    checkpoint: bool
    compare: bool
    histograms: bool

    def __bool__(self) -> bool:
        return any(self)


@dataclass(kw_only=True)
class Maintenance:
    """All that happens to a run between steps. Every rank holds one, and calls it at the same points of the clock.

    Attributes:
        folder: the run folder.
        facts: what else goes into every checkpoint (config, data, versions), JSON-ready.
        claim: on the run folder; None on every rank but 0.
        trackers: where numbers go; None on every rank but the main one.
        seconds: spent here since the last line of the log.
        last_line: of the log, for a diagnosis.
    """

    config: Config
    folder: Path
    step: TrainStep
    shards: ShardSet
    sampler: Sampler
    evaluator: Evaluator
    checkpoints: Checkpoints
    alarms: Alarms
    facts: dict[str, Any]
    claim: Claim | None = None
    trackers: Trackers | None = None

    def __post_init__(self) -> None:
        self.accelerator = self.step.accelerator
        self.last_line: dict[str, float] = {}
        self.begin(0)

    def due(self, images_seen: int, finished: bool, stopping: bool) -> Due:
        """What is to be done at this point of the clock."""
        config, reached = self.config, self._reached
        evaluate = bool(config.evaluate.metrics) and (finished or reached(images_seen, config.evaluate.interval_images))
        best = evaluate and config.checkpoint.keep_best is not None
        checkpoint = finished or stopping or best or reached(images_seen, config.checkpoint.interval_images)
        return Due(
            log=finished or reached(images_seen, config.tracking.interval_images),
            sample=finished or not images_seen or reached(images_seen, config.sample.interval_images),
            evaluate=evaluate,
            checkpoint=checkpoint and images_seen > 0,
            compare=reached(images_seen, config.guard.replicas_interval_images),
            histograms=reached(images_seen, config.tracking.histograms_interval_images),
        )

    def begin(self, images_seen: int) -> None:
        """Starts the clock of images per second."""
        self.last_log_seconds, self.seconds, self.images_logged = time.perf_counter(), 0.0, images_seen

    def carry_out(self, due: Due, images_seen: int, last: bool) -> None:
        """Does what is due; `last` waits until the checkpoint is on disk."""
        self.check_folder()
        synchronize(self.accelerator)
        started = time.perf_counter()
        if due.compare:
            self._compare_replicas(images_seen)
        values = self._interval_means(images_seen) if due.log else {}
        with averaged_buffers(self.accelerator, self.step.networks.values()) as statistics:
            scores = self.evaluator.scores(self.sampler) if due.evaluate else {}
            if self.trackers is not None:
                ratios = self._sample(images_seen) if due.sample else {}
                if due.histograms:
                    self.trackers.histograms(images_seen, self._weights())
                self._log(images_seen, values | ratios | scores, loudly=due.sample)
            if due.checkpoint:
                self._checkpoint(images_seen, statistics, scores, last)
        self.seconds += time.perf_counter() - started

    def check_folder(self) -> None:
        """Checks that the run folder is still there and still ours, before anything is written in it.

        Raises:
            UserError: if it was moved, removed or taken.
        """
        if self.claim is not None:
            self.claim.check()

    def rewind(self, images_seen: int) -> None:
        """Forgets what was logged after this point of the clock: it will be trained anew."""
        self.begin(images_seen)
        if self.trackers is not None:
            self.trackers.rewind(images_seen)

    def close(self) -> None:
        """Waits for the last checkpoint and flushes the trackers; called in a `finally`, where it sees the error."""
        ending = sys.exception()
        try:
            self.checkpoints.wait()
        except UserError:
            if ending is None:  # else it has been said, and what ends the run is the first cause
                raise
        finally:
            error = sys.exception()
            if isinstance(error, Exception):
                with contextlib.suppress(UserError):  # the same one, if it is the disk or the folder
                    self.check_folder()
                    self.alert(self.images_logged, [Alert("Failed", str(error) or type(error).__name__)])
            if self.trackers is not None:
                self.trackers.close(failed=error is not None)

    def alert(self, images_seen: int, alerts: Sequence[Alert], trouble: bool = True) -> None:
        """Tells a person, on the main process."""
        if self.trackers is not None:
            for title, text in alerts:
                self.trackers.alert(images_seen, title, text, trouble)

    def _reached(self, images_seen: int, interval_images: int | None) -> bool:
        """Whether the clock has just reached or crossed a multiple of the interval."""
        before = images_seen - self.step.images_per_iteration
        if interval_images is None or before < 0:
            return False
        return images_seen // interval_images > before // interval_images

    def _interval_means(self, images_seen: int) -> dict[str, float]:
        """Averages since the last line, over ranks, and gauges; empty if there was no step; every rank calls it."""
        meter = self.step.meter
        means = finite_means(meter.state(self._mean_over_ranks))
        was_there, now = bool(meter.names), time.perf_counter()
        meter.reset()
        training_seconds = max(now - self.last_log_seconds - self.seconds, 1e-9)
        images, waited_seconds = images_seen - self.images_logged, self.step.waited_seconds
        self.begin(images_seen)
        self.step.waited_seconds = 0.0
        if not was_there:
            return {}
        speed = {
            "perf/images_per_second": images / training_seconds,
            "perf/iteration_seconds": training_seconds * self.step.images_per_iteration / images,
            "perf/data_wait": waited_seconds / training_seconds,
        }
        return means | speed | self._gauges(images_seen)

    def _gauges(self, images_seen: int) -> dict[str, float]:
        """Every rank calls it: of memory, it is that of the process which has most."""
        step, memory = self.step, memory_values(self.accelerator.device)
        most = greatest_over_ranks(self.accelerator, torch.tensor(list(memory.values())))
        return (
            dict(zip(memory, most, strict=True))
            | {
                f"gradient/scale_{net[0]}": optimizer.scaler.get_scale()
                for net, optimizer in step.optimizers.items()
                if optimizer.scaler is not None
            }
            | ema_values(step.ema, step.raw_generator, self.config, images_seen)
            | scheduled_values(self.config, step.objective.ways, images_seen)
        )

    def _mean_over_ranks(self, own: Tensor) -> Tensor:
        return self.accelerator.reduce(own, reduction="mean")  # type: ignore[no-any-return]

    def _log(self, images_seen: int, values: dict[str, float], loudly: bool) -> None:
        """One line for one point of the clock."""
        if not values:
            return
        assert self.trackers is not None, "only the main process logs"
        values = {name: float(f"{value:.{DIGITS}g}") for name, value in values.items()}
        self.last_line = values
        self.trackers.scalars(images_seen, values)
        shown = " | ".join(f"{name} {value:.4g}" for name, value in values.items())
        logger.log(logging.INFO if loudly else logging.DEBUG, "images %d | %s", images_seen, shown)
        self.alert(images_seen, self.alarms.of_line(values))

    def _sample(self, images_seen: int) -> dict[str, float]:
        """Draws the three grids; returns how much samples vary, as a share of what real images do."""
        sample, space = self.config.sample, self.sampler.label_space
        labels = space.grid(sample.max_classes)
        names = space.describe(labels)
        random = self.sampler.cells(labels, sample.per_class, "random", images_seen)
        real = self.shards.examples(
            columns_of_space(space, labels),
            sample.per_class,
            numpy_generator(self.config.run.seed, "real", images_seen),
        )
        fixed = self.sampler.cells(labels, sample.per_class, "fixed")
        for name, cells in (("random_z", random), ("fixed_z", fixed), ("real", real)):
            self._picture(images_seen, name, draw_grid(cells, names))
        if not images_seen:  # an untrained G has almost no variance
            return {}
        ratios = variance_ratio(random, real)
        self.alert(images_seen, self.alarms.of_grid(ratios, names))
        return {VARIANCE_RATIO: min(ratios.values())} if ratios else {}

    def _picture(self, images_seen: int, name: str, grid: Image.Image) -> None:
        path = self.folder / SAMPLES / f"{name}-{images_seen:012d}.png"
        try:
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as partial:
                grid.save(partial, format="PNG")
        except OSError as error:  # a picture costs no training
            logger.warning("%s: the grid is not kept (%s).", path, error.strerror or error)
            return
        assert self.trackers is not None, "only the main process draws"
        self.trackers.picture(images_seen, name, path)

    def _weights(self) -> dict[str, Tensor]:
        return {
            f"weights/{net}/{name}": parameter.detach()
            for net in self.step.optimizers
            for name, parameter in self.step.networks[net].named_parameters()
        }

    def _compare_replicas(self, images_seen: int) -> None:
        """Every rank calls it."""
        if differing := differing_replicas(self.accelerator, self.step.networks):
            raise UserError(
                f"Replicas differ: {', '.join(differing)} is not the same on every process at {images_seen:,} images. "
                f"The checkpoints in {self.checkpoints.folder} are from before the next comparison "
                "(guard.replicas_interval_images). Suspect a GPU's memory, or a plug-in whose draws depend on the rank."
            )

    def _checkpoint(self, images_seen: int, statistics: Tensor, scores: dict[str, float], last: bool) -> None:
        """Every rank calls it; the main process copies everything and goes on while a thread writes."""
        step = self.step
        meter = step.meter.state(self._mean_over_ranks)
        if max(skips.item() for skips in step.skipped_in_a_row().values()):
            logger.warning("No checkpoint at %s images: updates are being skipped.", f"{images_seen:,}")
            return
        if not all_finite(step.networks.values()):
            raise UserError(
                f"Training diverged: a weight is not finite at {images_seen:,} images. The checkpoints in "
                f"{self.checkpoints.folder} are from before. Lower optim.lr, or raise loss.penalties."
            )
        if not self.accelerator.is_main_process:
            return
        self.check_folder()
        self.checkpoints.save(
            images_seen,
            networks={name: network.state_dict() for name, network in step.networks.items()}
            | {
                "labels": self.sampler.distribution.state(),
                "objective": step.state(),
                "statistics": {"of_ranks": statistics},
            },
            optimizers={
                f"optimizer_{network[0]}_{name}": state
                for network, optimizer in step.optimizers.items()
                for name, state in optimizer.state().items()
            },
            state=self.facts
            | {
                "meter": meter,
                "scalers": {
                    name: optimizer.scaler.state_dict()
                    for name, optimizer in step.optimizers.items()
                    if optimizer.scaler is not None
                },
                "world_size": self.accelerator.num_processes,
            },
            scores=scores,
            wait=last,
        )
