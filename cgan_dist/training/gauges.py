"""Numbers read off when a line is logged: schedules, the average of G, memory. What is averaged is the `Meter`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psutil
import torch
from pydantic import BaseModel
from torch import nn

from cgan_dist.conditioning.discriminator.base import DiscriminatorWay
from cgan_dist.config.document import Config
from cgan_dist.config.schedule import Schedule, value_at
from cgan_dist.training.ema import Ema

GIB = 2**30


def scheduled_values(config: Config, ways: Mapping[str, DiscriminatorWay], images_seen: int) -> dict[str, float]:
    """Returns what follows a schedule, at this point of the clock.

    Args:
        config: of the run.
        ways: of D, by name.
        images_seen: the clock.

    Returns:
        `schedule/KEY`, e.g. `schedule/optim/lr`, of each key of the config, and `schedule/aux/WAY` of ways' weights.
    """
    weights = {name: way.weight for name, way in ways.items()}
    found = [*_schedules(config, ""), *_schedules(weights, "aux")]
    return {f"schedule/{key}": schedule.at(images_seen) for key, schedule in found}


def ema_values(ema: Ema, generator: nn.Module, config: Config, images_seen: int) -> dict[str, float]:
    """Returns the half-life of the average of G in images, and how far it is from G; waits for the device.

    Args:
        ema: of the generator.
        generator: raw, on the same device.
        config: of the run.
        images_seen: the clock.

    Returns:
        `ema/half_life_images`, and `ema/distance`: the Euclidean norm of the difference of all parameters, as a share
        of that of G's. Nothing where the average is always G itself.
    """
    if config.ema.half_life_images == 0:
        return {}
    weights = [parameter.detach() for parameter in generator.parameters()]
    apart = torch._foreach_sub([parameter.detach() for parameter in ema.network.parameters()], weights)
    distance, size = (torch.stack(torch._foreach_norm(tensors)).norm() for tensors in (apart, weights))
    return {
        "ema/half_life_images": value_at(config.ema.half_life_images, images_seen),
        "ema/distance": float(distance / size),
    }


def memory_values(device: torch.device) -> dict[str, float]:
    """Returns this process's memory in GiB: resident, and of a CUDA GPU the peaks since this was last called."""
    found = {"perf/resident_gib": psutil.Process().memory_info().rss / GIB}
    if device.type == "cuda":
        found["perf/gpu_allocated_gib"] = torch.cuda.max_memory_allocated(device) / GIB
        found["perf/gpu_reserved_gib"] = torch.cuda.max_memory_reserved(device) / GIB
        torch.cuda.reset_peak_memory_stats(device)
    return found


def _schedules(value: object, key: str) -> Iterator[tuple[str, Schedule[float]]]:
    """All schedules in a section, a list or a table, with their key paths."""
    if isinstance(value, Schedule):
        yield key, value
        return
    parts: dict[str, object] = {}
    if isinstance(value, BaseModel):
        parts = {name: getattr(value, name) for name in type(value).model_fields}
    elif isinstance(value, dict):
        parts = value
    elif isinstance(value, list):
        parts = {str(number): part for number, part in enumerate(value)}
    for name, part in parts.items():
        yield from _schedules(part, f"{key}/{name}" if key else name)
