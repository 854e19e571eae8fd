"""`cgan-dist check`: everything but the training."""

from __future__ import annotations

import math

from torch import nn

from cgan_dist.assembly.inputs import Inputs, check_inputs
from cgan_dist.assembly.measurement import TRIED_IMAGES, Trial
from cgan_dist.assembly.networks import Networks, build_networks
from cgan_dist.assembly.outlook import outlook
from cgan_dist.assembly.step import build_step
from cgan_dist.config.document import Config
from cgan_dist.data.spec import DataSpec
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.distributed.launch import SLOW_BF16, computes_slowly
from cgan_dist.errors import UserError

NAMES_SHOWN = 12


def dry_run(config: Config, world_size: int, measures: bool = False) -> str:
    """Builds and checks all that training would, reads every shard, and runs one iteration on fake data.

    Args:
        config: as training would take it.
        world_size: the number of processes to check divisibility for; the step itself runs in this one.
        measures: also run some iterations of the config's own size, at most a minute or so, and say what the run takes.

    Returns:
        What would run, as text for a person.

    Raises:
        UserError: for the first thing that is wrong.
    """
    inputs = check_inputs(config, world_size, rank=0, everything=True)
    networks = build_networks(config, inputs.spec, inputs.label_space)
    trial = build_trial(config, inputs, networks)
    scalars = trial.scalars()
    bad = [name for name, value in scalars.items() if not math.isfinite(value)]
    if inputs.precision == "fp16":  # the first scales of the loss may be too large for gradients
        bad = [name for name in bad if not name.startswith("gradient/")]
    if bad:
        raise UserError(f"one step on random images gives {', '.join(bad)} that is not finite; lower optim.lr.")
    return "\n".join(
        [
            _describe(config, inputs, networks, world_size),
            "one step        " + ", ".join(f"{name} {value:.4f}" for name, value in scalars.items()),
            *_on_precision(inputs.precision),
            *(outlook(config, inputs.spec, trial.measure(world_size)) if measures else []),
            "All checks passed; nothing was trained.",
        ]
    )


def build_trial(config: Config, inputs: Inputs, networks: Networks) -> Trial:
    """Builds a step as training does, but for a batch of a few images and without compiling, to be tried.

    Where this machine computes slowly in the config's precision, as a login node may, it is tried in float32.
    """
    train = config.train.model_copy(update={"batch_size": TRIED_IMAGES, "micro_batch": None, "compile": False})
    small = config.model_copy(update={"train": train})
    precision = "no" if computes_slowly(inputs.precision) else inputs.precision
    accelerator = build_accelerator(precision, config.train.tf32, config.train.deterministic)
    return Trial(build_step(small, inputs, networks, accelerator), config, inputs)


def _on_precision(precision: str) -> list[str]:
    if not computes_slowly(precision):
        return []
    return [f"{'':16}(in float32: {SLOW_BF16};", f"{'':16} to train here, give train.precision=auto)"]


def _describe(config: Config, inputs: Inputs, networks: Networks, world_size: int) -> str:
    spec, train, shards = inputs.spec, config.train, inputs.shards.manifest.shards
    iterations = -(-train.total_images // (train.batch_size * train.plan.count("D")))
    penalties = "".join(f" + {name} (weight {weight})" for name, weight in config.loss.penalties.items())
    names = list(spec.labels.names)
    shown = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    form = f"{spec.height}x{spec.width}x{spec.channels}{_decoded(spec)}"
    lines = {
        "data": f"{config.data.path}: {spec.count:,} images of {form} in "
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
    if (balance := inputs.balance) is not None:
        seen = balance.describe(NAMES_SHOWN)
        lines["balance"] = f"{seen}; exact in every {balance.length:,} images of a stream"
    return "\n".join(f"{name:16}{value}" for name, value in lines.items())


def _decoded(spec: DataSpec) -> str:
    """What latents become, for a person."""
    if spec.latents is None:
        return ""
    channels, height, width = spec.picture
    sampled = "sampled anew at each look" if spec.latents.moments else "means"
    return f" (latents, {sampled}; decoded to {height}x{width}x{channels})"


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
