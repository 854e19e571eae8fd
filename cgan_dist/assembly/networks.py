"""From a config and a label space to G and D, the same on every rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, DiscriminatorWays
from cgan_dist.conditioning.generator import GENERATOR_WAYS
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config.document import Config
from cgan_dist.config.registry import Registry
from cgan_dist.config.schedule import largest
from cgan_dist.config.values import Named
from cgan_dist.data.spec import DataSpec
from cgan_dist.errors import UserError
from cgan_dist.losses import ADVERSARIAL
from cgan_dist.losses.adversarial import Wasserstein
from cgan_dist.losses.objective import Objective
from cgan_dist.models import DISCRIMINATORS, GENERATORS
from cgan_dist.models.image_layer import unbounded_
from cgan_dist.randomness import derive_seed
from cgan_dist.training.levels import Levels, levels_of
from cgan_dist.training.rates import check_parts

GB = 1e9
COPIES = 4
"""Of weights in training: themselves, their gradients, and Adam's two moments."""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """G and D on the CPU, what they are trained for, and what D is shown of a picture."""

    generator: nn.Module
    discriminator: nn.Module
    objective: Objective
    levels: Levels


def build_networks(config: Config, spec: DataSpec, label_space: LabelSpace) -> Networks:
    """Builds G and D from `run.seed`, with what the data dictates.

    Raises:
        UserError: for an unknown name or argument, a network without a place for a way, or a loss that nothing bounds.
    """
    with torch.random.fork_rng(devices=[]):
        _refuse_enormous(config, "generator and discriminator", lambda: _both(config, spec, label_space)[:2], COPIES)
        torch.manual_seed(derive_seed(config.run.seed, "networks"))
        generator, discriminator, d_ways = _both(config, spec, label_space)
    adversarial = ADVERSARIAL.build(config.loss.adversarial, "loss.adversarial", {})
    loss = config.loss
    objective = Objective(
        adversarial, loss.penalties, loss.lazy_updates, d_ways, loss.noise_step, loss.consistency, loss.top_k
    )
    levels = levels_of(generator, discriminator, loss.guidance, largest(loss.consistency) > 0)
    _check_slope(config.discriminator.name, discriminator, objective)
    check_parts(config.optim, {"generator": generator, "discriminator": discriminator})
    return Networks(generator=generator, discriminator=discriminator, objective=objective, levels=levels)


def build_generator(config: Config, spec: DataSpec, label_space: LabelSpace) -> nn.Module:
    """Builds G alone, with weights that are to be replaced by those of a checkpoint.

    Raises:
        UserError: as `build_networks`.
    """
    with torch.random.fork_rng(devices=[]):
        layout = label_space.layout
        _refuse_enormous(config, "generator", lambda: [_generator(config, spec, _generator_ways(config, layout))], 1)
        return _generator(config, spec, _generator_ways(config, layout))


def generator_on_meta(config: Config, spec: DataSpec, label_space: LabelSpace) -> nn.Module | None:
    """Builds G without its numbers, to compare its form with a file's before any memory is taken.

    Returns:
        None for a plug-in that cannot be built in this way.

    Raises:
        UserError: as `build_networks`.
    """
    layout = label_space.layout
    with torch.random.fork_rng(devices=[]):
        built = _on_meta(config, "generator", lambda: [_generator(config, spec, _generator_ways(config, layout))])
    return built[0] if built else None


def _on_meta(config: Config, what: str, build: Callable[[], Sequence[nn.Module]]) -> Sequence[nn.Module]:
    """Builds networks that have shapes and no numbers; nothing for plug-ins that need numbers."""
    try:
        with torch.device("meta"):
            return build()
    except UserError:
        raise
    except Exception as error:
        if ":" in f"{config.generator.name} {config.discriminator.name} {config.conditioning}":
            return []
        if isinstance(error, RuntimeError | OverflowError):  # more than can be counted
            raise UserError(f"{what}: cannot be built: {error}. Lower width or another of args.") from error
        raise


def _refuse_enormous(config: Config, what: str, build: Callable[[], Sequence[nn.Module]], copies: int) -> None:
    """Refuses networks that this machine has no memory for: a config of some hundred bytes may ask for terabytes."""
    states = [network.state_dict().values() for network in _on_meta(config, what, build)]
    size = copies * sum(t.numel() * t.element_size() for state in states for t in state)
    there = psutil.virtual_memory().total
    if size > there:
        told = " with gradients and moments" if copies > 1 else ""
        raise UserError(
            f"{what}: {size / GB:,.0f} GB of weights{told}, expected less than the {there / GB:,.0f} GB of memory of "
            "this machine. Lower width or another of args."
        )


def _both(
    config: Config, spec: DataSpec, label_space: LabelSpace
) -> tuple[nn.Module, nn.Module, dict[str, DiscriminatorWay]]:
    layout = label_space.layout
    g_ways = _generator_ways(config, layout)
    d_ways: dict[str, DiscriminatorWay] = _build_ways(
        DISCRIMINATOR_WAYS, config.conditioning.discriminator, "conditioning.discriminator", layout, {}
    )
    generator = _generator(config, spec, g_ways)
    discriminator = DISCRIMINATORS.build(
        config.discriminator.name,
        "discriminator",
        config.discriminator.args,
        image_shape=image_shape(config, spec),
        ways=DiscriminatorWays(layout, d_ways),
    )
    return generator, discriminator, d_ways


def _generator(config: Config, spec: DataSpec, ways: GeneratorWays) -> nn.Module:
    generator: nn.Module = GENERATORS.build(
        config.generator.name,
        "generator",
        config.generator.args,
        image_shape=image_shape(config, spec),
        latent_dim=config.generator.latent_dim,
        ways=ways,
    )
    if spec.latents is not None:
        unbounded_(generator)
    return generator


def _generator_ways(config: Config, layout: Layout) -> GeneratorWays:
    latent_dim = config.generator.latent_dim
    ways = _build_ways(
        GENERATOR_WAYS, config.conditioning.generator, "conditioning.generator", layout, {"latent_dim": latent_dim}
    )
    return GeneratorWays(layout, latent_dim, list(ways.values()))


def image_shape(config: Config, spec: DataSpec) -> tuple[int, int, int]:
    """(C, H, W) of what G makes and D judges."""
    return config.data.channels or spec.channels, spec.height, spec.width


def _check_slope(name: str, discriminator: nn.Module, objective: Objective) -> None:
    """Wasserstein's loss falls for ever with D's slope, so something must hold it; a user's own D may do so unseen."""
    if type(objective.adversarial) is not Wasserstein or name not in DISCRIMINATORS.table:
        return
    if (
        not objective.gradient_penalties
        and not objective.noisy_penalties
        and not any(map(is_parametrized, discriminator.modules()))
    ):
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
