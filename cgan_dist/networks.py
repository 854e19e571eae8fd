"""From a config and a label space to G and D, the same on every rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, DiscriminatorWays
from cgan_dist.conditioning.generator import GENERATOR_WAYS
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config import Config
from cgan_dist.errors import UserError
from cgan_dist.losses import ADVERSARIAL
from cgan_dist.losses.adversarial import Wasserstein
from cgan_dist.losses.objective import Objective
from cgan_dist.models import DISCRIMINATORS, GENERATORS
from cgan_dist.randomness import derive_seed
from cgan_dist.registry import Registry
from cgan_dist.sections import Named
from cgan_dist.types import DataSpec


@dataclass(frozen=True, kw_only=True)
class Networks:
    """G and D on the CPU, and what they are trained for."""

    generator: nn.Module
    discriminator: nn.Module
    objective: Objective


def build_networks(config: Config, spec: DataSpec, label_space: LabelSpace) -> Networks:
    """Builds G and D from `run.seed`, with what the data dictates.

    Raises:
        UserError: for an unknown name or argument, a network without a place for a way, or a loss that nothing bounds.
    """
    layout = label_space.layout
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.run.seed, "networks"))
        g_ways = _generator_ways(config, layout)
        d_ways: dict[str, DiscriminatorWay] = _build_ways(
            DISCRIMINATOR_WAYS, config.conditioning.discriminator, "conditioning.discriminator", layout, {}
        )
        generator = _generator(config, spec, g_ways)
        discriminator = DISCRIMINATORS.build(
            config.discriminator.name,
            "discriminator",
            config.discriminator.args,
            image_shape=_image_shape(config, spec),
            ways=DiscriminatorWays(layout, d_ways),
        )
    adversarial = ADVERSARIAL.build(config.loss.adversarial, "loss.adversarial", {})
    objective = Objective(adversarial, config.loss.penalties, config.loss.lazy_updates, d_ways)
    _check_slope(config.discriminator.name, discriminator, objective)
    return Networks(generator=generator, discriminator=discriminator, objective=objective)


def build_generator(config: Config, spec: DataSpec, label_space: LabelSpace) -> nn.Module:
    """Builds G alone, with weights that are to be replaced by those of a checkpoint.

    Raises:
        UserError: as `build_networks`.
    """
    with torch.random.fork_rng(devices=[]):
        return _generator(config, spec, _generator_ways(config, label_space.layout))


def _generator(config: Config, spec: DataSpec, ways: GeneratorWays) -> nn.Module:
    generator: nn.Module = GENERATORS.build(
        config.generator.name,
        "generator",
        config.generator.args,
        image_shape=_image_shape(config, spec),
        latent_dim=config.generator.latent_dim,
        ways=ways,
    )
    return generator


def _generator_ways(config: Config, layout: Layout) -> GeneratorWays:
    latent_dim = config.generator.latent_dim
    ways = _build_ways(
        GENERATOR_WAYS, config.conditioning.generator, "conditioning.generator", layout, {"latent_dim": latent_dim}
    )
    return GeneratorWays(layout, latent_dim, list(ways.values()))


def _image_shape(config: Config, spec: DataSpec) -> tuple[int, int, int]:
    return config.data.channels or spec.channels, spec.height, spec.width


def _check_slope(name: str, discriminator: nn.Module, objective: Objective) -> None:
    """Wasserstein's loss falls for ever with D's slope, so something must hold it; a user's own D may do so unseen."""
    if type(objective.adversarial) is not Wasserstein or name not in DISCRIMINATORS.table:
        return
    if not objective.gradient_penalties and not any(map(is_parametrized, discriminator.modules())):
        raise UserError(
            "loss.adversarial: found wasserstein, and nothing that holds D's slope, so D's loss falls without end; "
            "expected a penalty on gradients or spectral norm. Add loss.penalties.gp=10 (also r1, r2), or take "
            "discriminator.name=resnet with spectral: true."
        )


def _build_ways(
    registry: Registry, ways: Sequence[Named], where: str, layout: Layout, interface: dict[str, Any]
) -> dict[str, Any]:
    """Builds each way, by its name without the module's path."""
    if ways and not layout.width:
        raise UserError(
            f"{where}: found {[way.name for way in ways]}, but there is no label to take. For a GAN without a "
            "condition set conditioning.labels=none and no ways."
        )
    if layout.width and not ways:
        raise UserError(
            f"{where}: found [], so the network would not see the label; expected at least one of "
            f"{', '.join(sorted(registry.table))}, or conditioning.labels=none for a GAN without a condition."
        )
    built: dict[str, Any] = {}
    for number, way in enumerate(ways):
        name = way.name.rpartition(":")[2]
        if name in built:
            raise UserError(f"{where}.{number}: '{way.name}' is a second way named '{name}'; rename its class.")
        built[name] = registry.build(way.name, f"{where}.{number}", way.args, layout=layout, **interface)
    return built
