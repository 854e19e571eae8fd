"""`cgan-dist check`: everything but the training."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from cgan_dist.build import build_step
from cgan_dist.config import Config
from cgan_dist.distributed import build_accelerator
from cgan_dist.errors import UserError
from cgan_dist.inputs import Inputs, check_inputs
from cgan_dist.networks import Networks, build_networks
from cgan_dist.randomness import torch_generator
from cgan_dist.types import Batch

IMAGES = 4
"""Size of the fake batch: enough for batch statistics, cheap on a laptop."""
NAMES_SHOWN = 12


def dry_run(config: Config, world_size: int) -> str:
    """Builds and checks all that training would, reads every shard, and runs one iteration on fake data.

    Args:
        config: as training would take it.
        world_size: the number of processes to check divisibility for; the step itself runs in this one.

    Returns:
        What would run, as text for a person.

    Raises:
        UserError: for the first thing that is wrong.
    """
    inputs = check_inputs(config, world_size, rank=0, everything=True)
    networks = build_networks(config, inputs.spec, inputs.label_space)
    scalars = _one_iteration(config, inputs, networks)
    bad = [name for name, value in scalars.items() if not math.isfinite(value)]
    if inputs.precision == "fp16":  # the first scales of the loss may be too large for gradients
        bad = [name for name in bad if not name.startswith("gradient/")]
    if bad:
        raise UserError(f"one step on random images gives {', '.join(bad)} that is not finite; lower optim.lr.")
    return _describe(config, inputs, networks, world_size) + "\n".join(
        [
            "",
            "one step        " + ", ".join(f"{name} {value:.4f}" for name, value in scalars.items()),
            "All checks passed; nothing was trained.",
        ]
    )


def _describe(config: Config, inputs: Inputs, networks: Networks, world_size: int) -> str:
    spec, train, shards = inputs.spec, config.train, inputs.shards.manifest.shards
    iterations = -(-train.total_images // (train.batch_size * train.plan.count("D")))
    penalties = "".join(f" + {name} (weight {weight})" for name, weight in config.loss.penalties.items())
    names = list(spec.labels.names)
    shown = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    lines = {
        "data": f"{config.data.path}: {spec.count:,} images of {spec.height}x{spec.width}x{spec.channels} in "
        f"{len(shards)} shards, every one read and verified",
        "labels": f"{spec.labels.kind}, {len(names)}: {shown}",
        "generator": f"{config.generator.name}, {_parameters(networks.generator):,} parameters",
        "discriminator": f"{config.discriminator.name}, {_parameters(networks.discriminator):,} parameters",
        "loss": config.loss.adversarial + penalties,
        "batch": f"{train.batch_size} = {world_size} process(es) x {train.batch_size // world_size}, "
        f"{config.data.streams} streams, precision {inputs.precision}",
        "length": f"{train.total_images:,} images = {iterations:,} iterations of [{', '.join(train.plan)}], "
        f"{train.total_images / spec.count:.1f} looks at the data",
        "run folder": str(config.run.folder),
    }
    return "\n".join(f"{name:16}{value}" for name, value in lines.items())


def _one_iteration(config: Config, inputs: Inputs, networks: Networks) -> dict[str, float]:
    train = config.train.model_copy(update={"batch_size": IMAGES, "micro_batch": None, "compile": False})
    small = config.model_copy(update={"train": train})
    accelerator = build_accelerator(inputs.precision)
    step = build_step(small, inputs, networks, accelerator)
    generator = torch_generator(config.run.seed, "dry run")
    spec = inputs.spec
    shape = (IMAGES, spec.channels, spec.height, spec.width)
    labels = inputs.shards.take(inputs.shards.open(0), np.arange(IMAGES)).labels
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    fake = Batch(images.to(accelerator.device), torch.from_numpy(labels).to(accelerator.device))
    step.iterate(iter([fake] * train.plan.count("D")), images_seen=0)
    return {name: float(value) for name, value in step.meter.means().items()}


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
