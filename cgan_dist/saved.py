"""From a checkpoint to what can be done with it: sample, evaluate, go on."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from cgan_dist.checkpoint import Checkpoint
from cgan_dist.conditioning.linear import large_maps
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.conditioning.spaces.stored import listed
from cgan_dist.config import Config, parse_config
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.data.shards import ShardSet
from cgan_dist.errors import UserError
from cgan_dist.evaluation import Evaluator, check_extractors
from cgan_dist.inputs import Inputs, build_label_space, open_shards
from cgan_dist.labels import LabelSchema
from cgan_dist.networks import Networks, build_generator
from cgan_dist.optimizer import rows_of_large_tables
from cgan_dist.sampling import Sampler
from cgan_dist.sections import ConditioningConfig, EvaluateConfig
from cgan_dist.types import DataSpec

METRICS_OPTION = "--metrics"

logger = logging.getLogger(__name__)


def load_sampler(checkpoint: Checkpoint, seed: int, device: torch.device) -> Sampler:
    """Builds the EMA generator that a checkpoint holds; the shards are not needed."""
    config = parse_config(checkpoint.state["config"], str(checkpoint.folder))
    spec = DataSpec.from_dict(checkpoint.state["data"])
    label_space = build_label_space(config, spec)
    generator = build_generator(config, spec, label_space)
    generator.load_state_dict(checkpoint.tensors("ema"))
    distribution = LabelDistribution.from_state(checkpoint.tensors("labels"))
    return build_sampler(config, generator.to(device), label_space, distribution, seed)


def load_evaluation(
    checkpoint: Checkpoint, evaluate: EvaluateConfig, seed: int, data: Path | None, accelerator: Accelerator
) -> tuple[Evaluator, Sampler]:
    """Builds what scores a checkpoint's EMA generator against the shards it was trained on, or against `data`.

    Every rank must call it.

    Raises:
        UserError: if the shards are missing or damaged, or a metric is unknown or cannot be computed here.
    """
    sampler = load_sampler(checkpoint, seed, accelerator.device)
    shards = load_shards(checkpoint, data, "--data")
    if accelerator.is_main_process:
        shards.verify_if_small()
        check_extractors(evaluate, sampler.label_space, METRICS_OPTION)
    return Evaluator(shards, sampler.label_space, evaluate, accelerator, METRICS_OPTION), sampler


def load_shards(checkpoint: Checkpoint, data: Path | None, option: str) -> ShardSet:
    """Opens the shards that a checkpoint was trained on, or others with images and labels of the same form.

    Raises:
        UserError: if they are missing, or of another form; `option` is named.
    """
    config = parse_config(checkpoint.state["config"], str(checkpoint.folder))
    shards = open_shards(config.data.model_copy(update={"path": str(data)}) if data else config.data)
    before, now = DataSpec.from_dict(checkpoint.state["data"]), shards.manifest.spec
    for what in ("labels", "channels", "height", "width"):
        if getattr(before, what) != getattr(now, what):
            raise UserError(
                f"{option} {shards.storage.location}: found {what} {getattr(now, what)}, expected those that "
                f"{checkpoint.folder} was trained on, {getattr(before, what)}."
            )
    return shards


def check_resumable(checkpoint: Checkpoint, config: Config, inputs: Inputs, networks: Networks) -> None:
    """Checks that a checkpoint is of this data and of these networks, before a process group starts.

    Raises:
        UserError: saying what differs.
    """
    before, now = checkpoint.state["data"]["fingerprint"], inputs.spec.fingerprint
    if before != now:
        raise UserError(
            f"data.path: {checkpoint.folder} was trained on other data (manifest {before[:12]}, now {now[:12]}). "
            "Choose another run.name, or give the old data.path."
        )
    for name, network in (("generator", networks.generator), ("discriminator", networks.discriminator)):
        saved = {key: tuple(value.shape) for key, value in checkpoint.tensors(name).items()}
        built = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        for key in sorted(saved.keys() | built.keys()):
            if saved.get(key) != built.get(key):
                raise UserError(
                    f"{checkpoint.folder}: its {name} is not that of this config: {key} is {saved.get(key)} there and "
                    f"{built.get(key)} here."
                )
    _check_tables(checkpoint, config, networks)
    _compare_labels(checkpoint, config, inputs)


def _check_tables(checkpoint: Checkpoint, config: Config, networks: Networks) -> None:
    """The moments of a table are kept either with those of the other weights or apart from them."""
    before, now = checkpoint.state["config"]["optim"]["tables"], config.optim.tables
    for network in (networks.generator, networks.discriminator):
        apart = [len(large_maps(network, rows_of_large_tables(tables))) for tables in (before, now)]
        if apart[0] != apart[1]:
            raise UserError(
                f"optim.tables: found {now}, but {checkpoint.folder} was trained with {before}, by which other label "
                f"tables move by rows. Give optim.tables={before}."
            )


def _compare_labels(checkpoint: Checkpoint, config: Config, inputs: Inputs) -> None:
    """Warns where a network of the same shape learned other labels; to go on from them can be what the user wants."""
    conditioning = ConditioningConfig.model_validate(checkpoint.state["config"]["conditioning"])
    before = build_label_space(config.model_copy(update={"conditioning": conditioning}), inputs.spec).schema
    now = inputs.label_space.schema
    if before != now:
        logger.warning(
            "conditioning.labels: %s learned the labels %s; the same weights now stand for %s.",
            checkpoint.folder,
            _shown(before),
            _shown(now),
        )


def _shown(schema: LabelSchema) -> str:
    return f"{schema.kind} {listed(list(schema.names))}"


def build_sampler(
    config: Config, generator: nn.Module, label_space: LabelSpace, distribution: LabelDistribution, seed: int
) -> Sampler:
    """Builds what draws from a generator as its config says."""
    net = config.generator
    pixels = PIXEL_RANGES[config.data.pixels]
    return Sampler(generator, label_space, distribution, pixels, net.latent_dim, net.latent, seed)
