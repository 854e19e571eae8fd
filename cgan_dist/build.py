"""From a config to objects; the only file that knows every registry.

What can be wrong is found by `check_inputs` and `build_networks`, before a process group or a GPU is touched.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accelerate
import torch
from accelerate import Accelerator
from torch import nn

from cgan_dist import __version__
from cgan_dist.augment import AUGMENTATIONS
from cgan_dist.augment.base import Pipeline
from cgan_dist.checkpoint import Checkpoint, Checkpoints, find_checkpoint
from cgan_dist.conditioning import DISCRIMINATOR_WAYS, GENERATOR_WAYS, LABEL_SPACES
from cgan_dist.conditioning.base import LabelSpace
from cgan_dist.config import AdamConfig, Config, DataConfig, parse_config
from cgan_dist.data.loader import Loader
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.distributed import (
    build_accelerator,
    from_main,
    launched_rank,
    launched_world_size,
    resolve_precision,
)
from cgan_dist.ema import Ema
from cgan_dist.errors import UserError
from cgan_dist.evaluation import Evaluator
from cgan_dist.losses import ADVERSARIAL
from cgan_dist.losses.objective import Objective
from cgan_dist.metrics import METRICS
from cgan_dist.models import DISCRIMINATORS, GENERATORS
from cgan_dist.preemption import StopRequest
from cgan_dist.randomness import derive_seed
from cgan_dist.registry import Registry
from cgan_dist.run_folder import check_config_unchanged, lock_run, save_config, start_logging
from cgan_dist.sampling import Sampler
from cgan_dist.step import TrainStep
from cgan_dist.tracking import build_trackers, check_trackers
from cgan_dist.trainer import Trainer
from cgan_dist.types import DataSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a config and its data have been found to be."""

    shards: ShardSet
    spec: DataSpec
    label_space: LabelSpace
    objective: Objective
    augment: Pipeline
    precision: str


@dataclass(frozen=True, kw_only=True)
class Networks:
    """G and D on the CPU, the same on every rank."""

    generator: nn.Module
    discriminator: nn.Module


def check_inputs(config: Config, world_size: int, rank: int, everything: bool = False) -> Inputs:
    """Checks the config against the launcher, this machine, the shards and the run folder; touches no process group.

    Args:
        config: to check.
        world_size: processes to be.
        rank: 0 reads every shard of a set below 256 MiB; the others check names and sizes. Larger sets are checked
            shard by shard as they are opened.
        everything: read every shard, however large the set is.

    Raises:
        UserError: for the first thing that is wrong.
    """
    config.check_world_size(world_size)
    precision = resolve_precision(config.train.precision)
    shards = open_shards(config.data)
    spec = shards.manifest.spec
    if config.data.channels not in (None, spec.channels) and spec.channels != 1:
        raise UserError(
            f"data.channels: found {config.data.channels}, but the images in {config.data.path} have {spec.channels} "
            "channels; only grey images can be repeated. Leave it out."
        )
    if rank == 0:
        shards.verify() if everything else shards.verify_if_small()
    else:
        shards.check_files()
    check_config_unchanged(config)
    check_trackers(config.tracking.trackers)
    for metric in config.evaluate.metrics:
        METRICS.resolve(metric, "evaluate.metrics")
    if precision == "fp16" and any(config.loss.penalties.values()):
        raise UserError(
            "train.precision: fp16 with loss.penalties is not supported: small gradients of the penalty would vanish. "
            "Take bf16 or no."
        )
    return Inputs(
        shards=shards,
        spec=spec,
        label_space=build_label_space(config, spec),
        objective=Objective(ADVERSARIAL.build(config.loss.adversarial, "loss.adversarial", {}), config.loss.penalties),
        augment=build_augment(config.data),
        precision=precision,
    )


def open_shards(config: DataConfig) -> ShardSet:
    """Opens what `data.path` names; reads the manifest only."""
    storage = Storage(config.path, config.cache_dir, config.allow_pipe)
    return ShardSet(storage, config.cache, config.on_error, config.max_bad_share)


def build_augment(config: DataConfig) -> Pipeline:
    """Builds the augmentations of what D is shown."""
    parts = {name: AUGMENTATIONS.build(name, "data.augment", {}) for name in config.augment}
    return Pipeline(parts, half_range=-PIXEL_RANGES[config.pixels].offset)


def build_label_space(config: Config, spec: DataSpec) -> LabelSpace:
    """Builds the label space over the data's classes."""
    return LABEL_SPACES.build(  # type: ignore[no-any-return]
        config.conditioning.labels, "conditioning.labels", {}, schema=spec.labels
    )


def build_networks(config: Config, spec: DataSpec, label_space: LabelSpace) -> Networks:
    """Builds G and D from `run.seed`, with what the data dictates.

    Raises:
        UserError: for an unknown name or argument.
    """
    interface: dict[str, Any] = {
        "image_shape": (config.data.channels or spec.channels, spec.height, spec.width),
        "condition_width": label_space.width,
    }
    ways = config.conditioning
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.run.seed, "networks"))
        return Networks(
            generator=GENERATORS.build(
                config.generator.name,
                "generator",
                config.generator.args,
                **interface,
                latent_dim=config.generator.latent_dim,
                entry=_only_way(GENERATOR_WAYS, ways.generator, "conditioning.generator"),
            ),
            discriminator=DISCRIMINATORS.build(
                config.discriminator.name,
                "discriminator",
                config.discriminator.args,
                **interface,
                entry=_only_way(DISCRIMINATOR_WAYS, ways.discriminator, "conditioning.discriminator"),
            ),
        )


def build_step(config: Config, inputs: Inputs, networks: Networks, accelerator: Accelerator) -> TrainStep:
    """Hands networks and optimizers to Accelerate and assembles the training step; every rank calls it."""
    ema = Ema(networks.generator, config.ema.half_life_images)
    ema.network.to(accelerator.device)
    if config.train.compile:
        networks.generator.compile()
        if not inputs.objective.gammas:  # torch.compile has no second derivative
            networks.discriminator.compile()
    generator, discriminator, optimizer_g, optimizer_d = accelerator.prepare(
        networks.generator,
        networks.discriminator,
        _adam(networks.generator, config.optim.generator or config.optim),
        _adam(networks.discriminator, config.optim.discriminator or config.optim),
    )
    return TrainStep(
        config=config,
        accelerator=accelerator,
        generator=generator,
        discriminator=discriminator,
        optimizer_g=optimizer_g,
        optimizer_d=optimizer_d,
        ema=ema,
        objective=inputs.objective,
        label_space=inputs.label_space,
        pixels=PIXEL_RANGES[config.data.pixels],
        augment=inputs.augment,
    )


def build_trainer(config: Config, start_from: Path | None = None) -> Trainer:
    """Builds a whole run and restores its newest checkpoint, if it has one; every rank calls it.

    Args:
        config: of the run.
        start_from: run folder or checkpoint of another run, where this one begins if it has no checkpoint of its own.

    Raises:
        UserError: for everything that can be wrong with config, data and folder, before any process group starts.
    """
    inputs = check_inputs(config, launched_world_size(), launched_rank())
    networks = build_networks(config, inputs.spec, inputs.label_space)
    checkpoints = Checkpoints(
        config.run.folder / "checkpoints", config.checkpoint.keep_last, config.checkpoint.keep_every_images
    )
    lock = lock_run(config.run.folder) if launched_rank() == 0 else None
    start_logging(config.run.folder if launched_rank() == 0 else None)
    first = checkpoints.newest() or (find_checkpoint(start_from) if start_from else None)
    if first is not None:
        check_resumable(first, inputs.spec, networks)
    accelerator = build_accelerator(inputs.precision)
    step = build_step(config, inputs, networks, accelerator)
    trainer = Trainer(
        config=config,
        folder=config.run.folder,
        step=step,
        loader=_loader(config, inputs.shards, accelerator),
        sampler=_sampler(config, step.ema.network, inputs.label_space, config.run.seed),
        evaluator=Evaluator(inputs.shards, config.evaluate.metrics, config.evaluate.count),
        checkpoints=checkpoints,
        stop=StopRequest(config.train.max_hours),
        lock=lock,
        facts={
            "config": config.model_dump(),
            "data": inputs.spec.to_dict(),
            "versions": {"cgan_dist": __version__, "torch": torch.__version__, "accelerate": accelerate.__version__},
        },
    )
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
    _resume(trainer, first)
    if accelerator.is_main_process:
        save_config(config)
        trainer.trackers = build_trackers(
            config.tracking.trackers,
            config.run.folder,
            trainer.images_seen,
            config.tracking.project,
            config.run.name,
            config.model_dump(),
        )
    return trainer


def load_sampler(checkpoint: Checkpoint, seed: int, device: torch.device) -> Sampler:
    """Builds the EMA generator that a checkpoint holds; the shards are not needed."""
    config = parse_config(checkpoint.state["config"], str(checkpoint.folder))
    spec = DataSpec.from_dict(checkpoint.state["data"])
    label_space = build_label_space(config, spec)
    generator = build_networks(config, spec, label_space).generator
    generator.load_state_dict(checkpoint.tensors("ema"))
    return _sampler(config, generator.to(device), label_space, seed)


def load_evaluation(
    checkpoint: Checkpoint, metrics: list[str], count: int, seed: int, data: Path | None, device: torch.device
) -> tuple[Evaluator, Sampler]:
    """Builds what scores a checkpoint's EMA generator against the shards it was trained on, or against `data`.

    Raises:
        UserError: if the shards are missing or damaged, or a metric is unknown.
    """
    config = parse_config(checkpoint.state["config"], str(checkpoint.folder))
    shards = open_shards(config.data.model_copy(update={"path": str(data)}) if data else config.data)
    shards.verify_if_small()
    before, now = checkpoint.state["data"]["labels"], shards.manifest.labels.model_dump()
    if before != now:
        raise UserError(f"--data {shards.storage.location}: its labels are {now}, the checkpoint's are {before}.")
    return Evaluator(shards, metrics, count), load_sampler(checkpoint, seed, device)


def check_resumable(checkpoint: Checkpoint, spec: DataSpec, networks: Networks) -> None:
    """Checks that a checkpoint is of this data and of these networks, before a process group starts.

    Raises:
        UserError: saying what differs.
    """
    before, now = checkpoint.state["data"]["fingerprint"], spec.fingerprint
    if before != now:
        raise UserError(
            f"data.path: {checkpoint.folder} was trained on other data (manifest {before[:12]}, now {now[:12]}). "
            "Choose another run.name, or give the old data.path."
        )
    for name, network in vars(networks).items():
        saved = {key: tuple(value.shape) for key, value in checkpoint.tensors(name).items()}
        built = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        for key in sorted(saved.keys() | built.keys()):
            if saved.get(key) != built.get(key):
                raise UserError(
                    f"{checkpoint.folder}: its {name} is not that of this config: {key} is {saved.get(key)} there and "
                    f"{built.get(key)} here."
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


def _sampler(config: Config, generator: nn.Module, label_space: LabelSpace, seed: int) -> Sampler:
    net = config.generator
    return Sampler(generator, label_space, PIXEL_RANGES[config.data.pixels], net.latent_dim, net.latent, seed)


def _adam(network: nn.Module, config: AdamConfig) -> torch.optim.Adam:
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return torch.optim.Adam(trainable, lr=config.lr, betas=(config.betas[0], config.betas[1]), fused=True)


def _only_way(registry: Registry, names: list[str], where: str) -> Any:
    if len(names) != 1:
        raise UserError(f"{where}: found {names}; expected exactly one way in, e.g. [{next(iter(registry.table))}].")
    return registry.resolve(names[0], f"{where}.0")
