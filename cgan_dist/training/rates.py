"""The rate of each weight of a network: the config's along the clock, times the factor of the part that it is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn

from cgan_dist.config.schedule import value_at
from cgan_dist.config.training import AdamConfig, OptimConfig
from cgan_dist.errors import UserError, close_match


def rate_at(config: AdamConfig, images_seen: int) -> float:
    """The rate at a point of the clock, before the factors of the network's width and of parts."""
    risen = min(images_seen / config.warmup_images, 1.0) if config.warmup_images else 1.0
    return value_at(config.lr, images_seen) * risen


def width_factor(config: AdamConfig, network: nn.Module) -> float:
    """The factor of a network's width (arXiv:2509.24935: the wider a network, the less its weights may move at once).

    Raises:
        UserError: if the network does not say how wide it is.
    """
    if config.width_aware is None:
        return 1.0
    width = getattr(network, "width", None)
    if not isinstance(width, int):
        raise UserError(
            f"optim.width_aware: {type(network).__module__}:{type(network).__name__} does not say its width, expected "
            "an attribute `width`, a whole number. Leave it out, or give the rate itself as optim.lr."
        )
    return config.width_aware / width


def by_part(
    network: nn.Module, parameters: Iterable[nn.Parameter], multipliers: Mapping[str, float]
) -> dict[str, list[nn.Parameter]]:
    """Sorts weights by the part with a factor that they are in, those in none first, as part "".

    Args:
        network: raw, whose names of weights the parts begin.
        parameters: of the network.
        multipliers: parts to factors; the longest part that a name begins with counts.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found: dict[str, list[nn.Parameter]] = {}
    for parameter in parameters:
        parts = [part for part in multipliers if begins(part, names[id(parameter)])]
        found.setdefault(max(parts, key=len, default=""), []).append(parameter)
    return dict(sorted(found.items()))


def begins(part: str, name: str) -> bool:
    """Whether a weight's name is that of a part or lies in it: `last` begins `last.weight`, and not `lastly.weight`."""
    return name == part or name.startswith(f"{part}.")


def check_parts(optim: OptimConfig, networks: Mapping[str, nn.Module]) -> None:
    """Checks that each part with a factor is there, in one of the networks that it is meant for, and their widths.

    Args:
        optim: of the config.
        networks: raw, `generator` and `discriminator`.

    Raises:
        UserError: naming the part, and the close match; for a network without a width that `width_aware` is for.
    """
    for name, network in networks.items():
        width_factor(getattr(optim, name) or optim, network)
    meant: dict[str, list[str]] = {}
    for name in networks:
        for part in (getattr(optim, name) or optim).multipliers:
            meant.setdefault(part, []).append(name)
    for part, owners in meant.items():
        weights = [name for owner in owners for name, _ in networks[owner].named_parameters()]
        if not any(begins(part, name) for name in weights):
            known = sorted({name.partition(".")[0] for name in weights})
            where = f"optim.{owners[0]}" if len(owners) < len(networks) else "optim"
            raise UserError(
                f"{where}.multipliers.{part}: no weight of the {' or the '.join(owners)} has a name that begins so."
                f"{close_match(part, known)} They begin with {', '.join(known)}; longer beginnings, up to a whole "
                "name, work too."
            )
