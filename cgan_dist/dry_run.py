"""`cgan-dist check`: everything but the training."""

from __future__ import annotations

import math

import torch
from torch import nn

from cgan_dist.build import Inputs, Networks, build_networks, build_step, check_inputs
from cgan_dist.config import Config
from cgan_dist.distributed import build_accelerator
from cgan_dist.errors import UserError
from cgan_dist.randomness import torch_generator
from cgan_dist.types import Batch

IMAGES = 4
"""Size of the fake batch: enough for batch statistics, cheap on a laptop."""


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
    inputs = check_inputs(config, world_size, rank=0)
    networks = build_networks(config, inputs.spec, inputs.label_space)
    sizes = {"generator": _parameters(networks.generator), "discriminator": _parameters(networks.discriminator)}
    scalars = _one_iteration(config, inputs, networks)
    bad = [name for name, value in scalars.items() if not math.isfinite(value)]
    if bad:
        raise UserError(f"one step on random images gives {', '.join(bad)} that is not finite; lower optim.lr.")
    spec, train, data = inputs.spec, config.train, inputs.shards.manifest
    iterations = -(-train.total_images // (train.batch_size * train.plan.count("D")))
    return "\n".join([
        f"data            {spec.count:,} images of {spec.height}x{spec.width}x{spec.channels} in {len(data.shards)} shards "
        f"({config.data.path}), every one read and verified",
        f"classes         {len(spec.class_names)}: {', '.join(spec.class_names[:12])}"
        + (", ..." if len(spec.class_names) > 12 else ""),
        f"generator       {config.generator.name}, {sizes['generator']:,} parameters",
        f"discriminator   {config.discriminator.name}, {sizes['discriminator']:,} parameters",
        f"loss            {config.loss.adversarial}"
        + "".join(f" + {name} (gamma {gamma:g})" for name, gamma in config.loss.penalties.items()),
        f"batch           {train.batch_size} = {world_size} process(es) x {train.batch_size // world_size}, "
        f"{config.data.streams} streams, precision {inputs.precision}",
        f"length          {train.total_images:,} images = {iterations:,} iterations of [{', '.join(train.plan)}], "
        f"{train.total_images / spec.count:.1f} looks at the data",
        f"run folder      {config.run.folder}",
        "one step        " + ", ".join(f"{name} {value:.4f}" for name, value in scalars.items()),
        "All checks passed; nothing was trained.",
    ])


def _one_iteration(config: Config, inputs: Inputs, networks: Networks) -> dict[str, float]:
    train = config.train.model_copy(update={"batch_size": IMAGES, "micro_batch": None, "compile": False})
    small = config.model_copy(update={"train": train})
    accelerator = build_accelerator(inputs.precision)
    step = build_step(small, inputs, networks, accelerator)
    generator = torch_generator(config.run.seed, "dry run")
    spec = inputs.spec
    fake = Batch(
        torch.randint(0, 256, (IMAGES, spec.channels, spec.height, spec.width), generator=generator, dtype=torch.uint8),
        torch.randint(0, len(spec.class_names), (IMAGES,), generator=generator),
    )
    step.iterate(iter([fake] * train.plan.count("D")), images_seen=0)
    return {name: float(value) for name, value in step.meter.means().items()}


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
