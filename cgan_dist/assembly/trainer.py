"""From a config to a run: everything that is checked before it starts, the trainer, the checkpoint it goes on from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import accelerate
import torch
from accelerate import Accelerator
from torch import Tensor

from cgan_dist import __version__
from cgan_dist.assembly.fine_tuning import FineTuning
from cgan_dist.assembly.inputs import Inputs, check_inputs
from cgan_dist.assembly.networks import build_networks
from cgan_dist.assembly.saved import build_sampler
from cgan_dist.assembly.start import Origin, Start, choose_start
from cgan_dist.assembly.step import build_step
from cgan_dist.checkpoints.store import CHECKPOINTS, Checkpoint, Checkpoints
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.config.document import Config
from cgan_dist.data.batch import Batch
from cgan_dist.data.loader import Loader
from cgan_dist.data.spec import DataSpec
from cgan_dist.distributed.collectives import from_main
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.distributed.launch import SLOW_BF16, check_launched, computes_slowly, launched_rank, launched_world_size
from cgan_dist.evaluation.evaluator import Evaluator
from cgan_dist.resilience.preemption import StopRequest, clear_marks
from cgan_dist.resilience.rollback import BOOK, RollbackBook
from cgan_dist.resilience.watchdog import Watchdog
from cgan_dist.runs.claim import Claim
from cgan_dist.runs.folder import save_config, start_logging
from cgan_dist.runs.own_runs import mark_own
from cgan_dist.training.alarms import Alarms
from cgan_dist.training.heap import keep_freed_memory
from cgan_dist.training.maintenance import Maintenance
from cgan_dist.training.step import TrainStep
from cgan_dist.training.tracking import build_trackers
from cgan_dist.training.trainer import Trainer

LABELS_LOOKED_AT = 100_000
"""Images whose labels stand for the data's joint distribution; shards are shuffled, so the first are a fair sample."""
CLASSES_NAMED = 12
UNMARKED = (
    "This run names plug-ins or addresses, and could not be marked as yours in your state folder (%s): commands that "
    "load it will ask for --trust-code."
)

logger = logging.getLogger(__name__)


def build_trainer(config: Config, origin: Origin | None = None) -> Trainer:
    """Builds a whole run and restores its newest checkpoint, if it has one; every rank calls it.

    Args:
        config: of the run.
        origin: another run, with which this one begins if it has no checkpoint of its own.

    Raises:
        UserError: for everything that can be wrong with config, data and folder, before any process group starts.
    """
    check_launched()
    inputs = check_inputs(config, launched_world_size(), launched_rank())
    networks = build_networks(config, inputs.spec, inputs.label_space)
    kept = config.checkpoint
    checkpoints = Checkpoints(
        config.run.folder / CHECKPOINTS, kept.keep_last, kept.keep_every_images, kept.keep_best, kept.best_is
    )
    claim = _claimed(config.run.folder) if launched_rank() == 0 else None
    start_logging(config.run.folder if launched_rank() == 0 else None)
    start = choose_start(checkpoints, origin, config, inputs, networks)
    rollbacks = RollbackBook(config.run.folder / BOOK, config.guard.max_rollbacks)
    stored = torch.from_numpy(inputs.shards.labels(LABELS_LOOKED_AT))
    distribution = LabelDistribution.of(inputs.label_space.select(stored), seed=config.run.seed)
    accelerator = build_accelerator(inputs.precision, config.train.tf32, config.train.deterministic)
    if accelerator.device.type == "cpu":
        keep_freed_memory()
    if inputs.shards.decoder is not None:
        inputs.shards.decoder.autoencoder.to(accelerator.device)
    step = build_step(config, inputs, networks, accelerator)
    if accelerator.num_processes > 1:
        step.settle_buckets(_blank(inputs.spec, stored[: step.share], accelerator.device))
    rollbacks.share(from_main)
    maintenance = _maintenance(config, inputs, step, distribution, checkpoints, start)
    maintenance.claim = claim
    trainer = Trainer(
        config=config,
        folder=config.run.folder,
        step=step,
        loader=_loader(config, inputs, accelerator),
        maintenance=maintenance,
        stop=StopRequest(config.run.folder, config.train.max_hours, config.train.leave_minutes),
        rollbacks=rollbacks,
        watchdog=Watchdog(config.guard.stuck_minutes, config.run.folder, accelerator.process_index),
    )
    _say(config, inputs, step)
    _begin(trainer, start, inputs, origin is not None and origin.trust_code)
    if accelerator.is_main_process:
        save_config(config)
        if (trouble := mark_own(config)) != "":
            logger.warning(UNMARKED, trouble)
        maintenance.trackers = build_trackers(
            config.tracking.trackers,
            config.run.folder,
            trainer.images_seen,
            config.tracking.project,
            config.run.name,
            config.model_dump(),
        )
    return trainer


def _claimed(folder: Path) -> Claim:
    """Takes possession of the run folder, before anything is written in it."""
    claim = Claim(folder)
    clear_marks(folder)
    return claim


def _blank(spec: DataSpec, labels: Tensor, device: torch.device) -> Batch:
    """As many black images as there are labels."""
    shape = (len(labels), spec.stored_channels, spec.height, spec.width)
    return Batch(torch.zeros(shape, dtype=torch.uint8, device=device), labels.to(device))


def _say(config: Config, inputs: Inputs, step: TrainStep) -> None:
    accelerator = step.accelerator
    logger.info(
        "Run %s: %d process(es) on %s, precision %s, batch %d = %d x %d images",
        config.run.folder,
        accelerator.num_processes,
        accelerator.device.type,
        inputs.precision,
        config.train.batch_size,
        accelerator.num_processes,
        step.share,
    )
    if computes_slowly(inputs.precision):
        logger.warning("train.precision: %s; give auto or no to train here.", SLOW_BF16)
    if inputs.balance is not None:
        logger.info("Classes are seen as %s.", inputs.balance.describe(CLASSES_NAMED))


def _maintenance(
    config: Config,
    inputs: Inputs,
    step: TrainStep,
    distribution: LabelDistribution,
    checkpoints: Checkpoints,
    start: Start | None,
) -> Maintenance:
    return Maintenance(
        config=config,
        folder=config.run.folder,
        step=step,
        shards=inputs.shards,
        sampler=build_sampler(
            config, step.ema.network, inputs.label_space, distribution, config.run.seed, inputs.pixels
        ),
        evaluator=Evaluator(inputs.shards, inputs.label_space, config.evaluate, step.accelerator),
        checkpoints=checkpoints,
        alarms=Alarms(config.guard),
        facts={
            "config": config.model_dump(),
            "data": inputs.spec.to_dict(),
            "begun_from": start.begun_from if start else None,
            "versions": {"cgan_dist": __version__, "torch": torch.__version__, "accelerate": accelerate.__version__},
        },
    )


def _begin(trainer: Trainer, start: Start | None, inputs: Inputs, trust_code: bool) -> None:
    """Takes what the main process found, on every rank; another may have seen an older state of the file system."""
    chosen = from_main((start.checkpoint.folder, start.tuning is not None) if start else None)
    if chosen is None:
        return
    folder, tuned = cast(tuple[Path, bool], chosen)
    if start is None or (start.checkpoint.folder, start.tuning is not None) != chosen:
        checkpoint = Checkpoint(folder)
        start = Start(checkpoint, FineTuning(checkpoint, trainer.config, inputs, trust_code) if tuned else None)
    if start.tuning is not None:
        start.tuning.apply(trainer.step.networks)
        return
    trainer.restore(start.checkpoint)
    seen, total = trainer.images_seen, trainer.config.train.total_images
    end = f"; train.total_images is {total:,}, so it is finished" if seen >= total else ""
    logger.info("Going on from %s at %s images%s.", folder, f"{seen:,}", end)


def _loader(config: Config, inputs: Inputs, accelerator: Accelerator) -> Loader:
    return Loader(
        inputs.shards,
        batch_size=config.train.batch_size,
        streams=config.data.streams,
        seed=config.run.seed,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        workers=config.data.workers,
        pin_memory=accelerator.device.type == "cuda",
        balance=inputs.balance,
    )
