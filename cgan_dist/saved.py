"""From a checkpoint to what can be done with it: sample, evaluate, go on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from cgan_dist.checkpoint import Checkpoint
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.config import Config, parse_config
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.errors import UserError
from cgan_dist.evaluation import Evaluator, check_metrics
from cgan_dist.inputs import build_label_space, open_shards
from cgan_dist.networks import Networks, build_networks
from cgan_dist.sampling import Sampler
from cgan_dist.types import DataSpec


def load_sampler(checkpoint: Checkpoint, seed: int, device: torch.device) -> Sampler:
    """Builds the EMA generator that a checkpoint holds; the shards are not needed."""
    config = parse_config(checkpoint.state["config"], str(checkpoint.folder))
    spec = DataSpec.from_dict(checkpoint.state["data"])
    label_space = build_label_space(config, spec)
    generator = build_networks(config, spec, label_space).generator
    generator.load_state_dict(checkpoint.tensors("ema"))
    distribution = LabelDistribution.from_state(checkpoint.tensors("labels"))
    return build_sampler(config, generator.to(device), label_space, distribution, seed)


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
    sampler = load_sampler(checkpoint, seed, device)
    check_metrics(metrics, sampler.label_space)
    return Evaluator(shards, sampler.label_space, metrics, count), sampler


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
    for name, network in (("generator", networks.generator), ("discriminator", networks.discriminator)):
        saved = {key: tuple(value.shape) for key, value in checkpoint.tensors(name).items()}
        built = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        for key in sorted(saved.keys() | built.keys()):
            if saved.get(key) != built.get(key):
                raise UserError(
                    f"{checkpoint.folder}: its {name} is not that of this config: {key} is {saved.get(key)} there and "
                    f"{built.get(key)} here."
                )


def build_sampler(
    config: Config, generator: nn.Module, label_space: LabelSpace, distribution: LabelDistribution, seed: int
) -> Sampler:
    """Builds what draws from a generator as its config says."""
    net = config.generator
    pixels = PIXEL_RANGES[config.data.pixels]
    return Sampler(generator, label_space, distribution, pixels, net.latent_dim, net.latent, seed)
