"""From a config to a run: networks and optimizers handed to Accelerate, the step, the trainer."""

from __future__ import annotations

import logging
from pathlib import Path

import accelerate
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from cgan_dist import __version__
from cgan_dist.alarms import Alarms
from cgan_dist.checkpoint import CHECKPOINTS, Checkpoint, Checkpoints, find_checkpoint
from cgan_dist.conditioning.linear import compile_around_rows_
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.config import Config
from cgan_dist.data.loader import Loader
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.data.shards import ShardSet
from cgan_dist.distributed import (
    build_accelerator,
    check_launched,
    from_main,
    launched_rank,
    launched_world_size,
    leave_out_of_ddp,
)
from cgan_dist.ema import Ema
from cgan_dist.evaluation import Evaluator
from cgan_dist.heap import keep_freed_memory
from cgan_dist.inputs import Inputs, check_inputs
from cgan_dist.losses.second_derivative import leaves_autocast_
from cgan_dist.maintenance import Maintenance
from cgan_dist.networks import Networks, build_networks
from cgan_dist.optimizer import NetworkOptimizer, large_tables
from cgan_dist.preemption import StopRequest, clear_marks
from cgan_dist.rollback import BOOK, RollbackBook
from cgan_dist.run_folder import lock_run, save_config, start_logging
from cgan_dist.saved import build_sampler, check_resumable
from cgan_dist.step import TrainStep
from cgan_dist.tracking import build_trackers
from cgan_dist.trainer import Trainer
from cgan_dist.types import Batch, DataSpec
from cgan_dist.watchdog import Watchdog

LABELS_LOOKED_AT = 100_000
"""Images whose labels stand for the data's joint distribution; shards are shuffled, so the first are a fair sample."""

logger = logging.getLogger(__name__)


def build_step(config: Config, inputs: Inputs, networks: Networks, accelerator: Accelerator) -> TrainStep:
    """Hands networks and optimizers to Accelerate and assembles the training step; every rank calls it."""
    if config.train.channels_last:
        for network in (networks.generator, networks.discriminator):
            network.to(memory_format=torch.channels_last)
    ema = Ema(networks.generator)
    ema.network.to(accelerator.device)
    if config.train.sync_batch_norm and accelerator.device.type == "cuda" and accelerator.num_processes > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(networks.generator)  # in place: it is not itself a batch norm
        if not networks.objective.gradient_penalties:  # SyncBatchNorm has no second derivative
            nn.SyncBatchNorm.convert_sync_batchnorm(networks.discriminator)
    g_tables, d_tables = (
        large_tables(net, config.optim.tables) for net in (networks.generator, networks.discriminator)
    )
    leave_out_of_ddp(networks.generator, g_tables)
    leave_out_of_ddp(networks.discriminator, d_tables)
    if config.train.compile:
        _compile(networks)
    if accelerator.mixed_precision == "fp16" and networks.objective.gradient_penalties:
        leaves_autocast_(networks.discriminator, accelerator.device.type)
    generator, discriminator = accelerator.prepare(networks.generator, networks.discriminator)
    g_config, d_config = config.optim.generator or config.optim, config.optim.discriminator or config.optim
    return TrainStep(
        config=config,
        accelerator=accelerator,
        generator=generator,
        discriminator=discriminator,
        optimizer_g=NetworkOptimizer(accelerator, accelerator.unwrap_model(generator), g_config, g_tables),
        optimizer_d=NetworkOptimizer(accelerator, accelerator.unwrap_model(discriminator), d_config, d_tables),
        ema=ema,
        objective=networks.objective,
        label_space=inputs.label_space,
        pixels=PIXEL_RANGES[config.data.pixels],
        augment=inputs.augment,
    )


def _compile(networks: Networks) -> None:
    """Compiles G, and D but for the passes that penalties differentiate twice (`losses.second_derivative`).

    A D with spectral norm stays as it is: what that changes in one forward pass, compiled code wants back in the
    backward pass of another.
    """
    for network in (networks.generator, networks.discriminator):
        compile_around_rows_(network)
    networks.generator.compile()
    if not any(map(is_parametrized, networks.discriminator.modules())):
        networks.discriminator.compile()


def build_trainer(config: Config, start_from: Path | None = None) -> Trainer:
    """Builds a whole run and restores its newest checkpoint, if it has one; every rank calls it.

    Args:
        config: of the run.
        start_from: run folder or checkpoint of another run, where this one begins if it has no checkpoint of its own.

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
    lock = lock_run(config.run.folder) if launched_rank() == 0 else None
    if lock is not None:
        clear_marks(config.run.folder)
    start_logging(config.run.folder if launched_rank() == 0 else None)
    first = checkpoints.newest() or (find_checkpoint(start_from) if start_from else None)
    if first is not None:
        check_resumable(first, config, inputs, networks)
    rollbacks = RollbackBook(config.run.folder / BOOK, config.guard.max_rollbacks)
    stored = torch.from_numpy(inputs.shards.labels(LABELS_LOOKED_AT))
    distribution = LabelDistribution.of(inputs.label_space.select(stored), seed=config.run.seed)
    accelerator = build_accelerator(inputs.precision, config.train.tf32)
    if accelerator.device.type == "cpu":
        keep_freed_memory()
    step = build_step(config, inputs, networks, accelerator)
    if accelerator.num_processes > 1:
        step.settle_buckets(_blank(inputs.spec, stored[: step.share], accelerator.device))
    rollbacks.share(from_main)
    maintenance = _maintenance(config, inputs, step, distribution, checkpoints)
    trainer = Trainer(
        config=config,
        folder=config.run.folder,
        step=step,
        loader=_loader(config, inputs.shards, accelerator),
        maintenance=maintenance,
        stop=StopRequest(config.run.folder, config.train.max_hours, config.train.leave_minutes),
        rollbacks=rollbacks,
        watchdog=Watchdog(config.guard.stuck_minutes, config.run.folder, accelerator.process_index),
        lock=lock,
    )
    _say(config, inputs, step)
    _resume(trainer, first)
    if accelerator.is_main_process:
        save_config(config)
        maintenance.trackers = build_trackers(
            config.tracking.trackers,
            config.run.folder,
            trainer.images_seen,
            config.tracking.project,
            config.run.name,
            config.model_dump(),
        )
    return trainer


def _blank(spec: DataSpec, labels: Tensor, device: torch.device) -> Batch:
    """As many black images as there are labels."""
    shape = (len(labels), spec.channels, spec.height, spec.width)
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


def _maintenance(
    config: Config, inputs: Inputs, step: TrainStep, distribution: LabelDistribution, checkpoints: Checkpoints
) -> Maintenance:
    return Maintenance(
        config=config,
        folder=config.run.folder,
        step=step,
        shards=inputs.shards,
        sampler=build_sampler(config, step.ema.network, inputs.label_space, distribution, config.run.seed),
        evaluator=Evaluator(inputs.shards, inputs.label_space, config.evaluate, step.accelerator),
        checkpoints=checkpoints,
        alarms=Alarms(config.guard),
        facts={
            "config": config.model_dump(),
            "data": inputs.spec.to_dict(),
            "versions": {"cgan_dist": __version__, "torch": torch.__version__, "accelerate": accelerate.__version__},
        },
    )


def _resume(trainer: Trainer, found: Checkpoint | None) -> None:
    """Restores the checkpoint that the main process found, on every rank."""
    folder = from_main(found.folder if found else None)
    if isinstance(folder, Path):
        trainer.restore(found if found and found.folder == folder else Checkpoint(folder))
        logger.info("Going on from %s at %s images.", folder, f"{trainer.images_seen:,}")


def _loader(config: Config, shards: ShardSet, accelerator: Accelerator) -> Loader:
    return Loader(
        shards,
        batch_size=config.train.batch_size,
        streams=config.data.streams,
        seed=config.run.seed,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        workers=config.data.workers,
        pin_memory=accelerator.device.type == "cuda",
    )
