"""What a config has run and opened: plug-ins by name, and files and addresses outside of the run.

Whoever types a config means it. One that was saved may be a stranger's, and is asked for these before it is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cgan_dist.config.document import Config
from cgan_dist.config.values import Named

PARTS, FEATURES = "parts", "features"
"""Arguments that name parts: those of the label space `product`, and the extractor of a metric."""


def named_code(config: Config) -> dict[str, Named]:
    """Key path to each part that is named as `package.module:Thing`; a short name is this package's own."""
    return {where: part for where, part in _parts(config) if ":" in part.name}


def opened(config: Config) -> dict[str, str]:
    """Key path to what is read or written outside of the run, but for data in a folder of this machine."""
    data, weights = config.data, config.evaluate.inception_weights
    found = {"data.path": None if is_plain_folder(data.path) else data.path}
    found |= {"data.cache_dir": data.cache_dir, "data.autoencoder": data.autoencoder}
    found |= {"evaluate.inception_weights": weights}
    return {where: value for where, value in found.items() if value is not None}


def is_plain_folder(location: str) -> bool:
    """Whether data lies in a folder of this machine: no URL or chain of them, no command, no share of another one's."""
    return re.match(r"[a-z0-9+.-]+://|pipe:|//|\\\\|.*::", location, re.IGNORECASE) is None


def _parts(config: Config) -> Iterator[tuple[str, Named]]:
    conditioning = config.conditioning
    yield from _with_args("conditioning.labels", conditioning.labels, PARTS)
    for net in ("generator", "discriminator"):
        yield from _listed(f"conditioning.{net}", getattr(conditioning, net))
        network = getattr(config, net)
        yield f"{net}.name", Named(name=network.name, args=network.args)
    yield "loss.adversarial", Named(name=config.loss.adversarial)
    yield from _listed("data.augment", config.data.augment)
    yield from _listed("loss.bcr_augment", config.loss.bcr_augment)
    for number, metric in enumerate(config.evaluate.metrics):
        yield from _with_args(f"evaluate.metrics.{number}", metric, FEATURES)
    yield from _listed("tracking.trackers", config.tracking.trackers)


def _listed(where: str, parts: Sequence[Named]) -> Iterator[tuple[str, Named]]:
    return ((f"{where}.{number}", part) for number, part in enumerate(parts))


def _with_args(where: str, part: Named, argument: str) -> Iterator[tuple[str, Named]]:
    """A part, and the parts that one of its arguments names: by name, as {name, args}, or a list of these."""
    yield where, part
    given, at = part.args.get(argument), f"{where}.args.{argument}"
    if isinstance(given, list):
        for number, value in enumerate(given):
            yield from _named(f"{at}.{number}", value)
    else:
        yield from _named(at, given)


def _named(where: str, value: Any) -> Iterator[tuple[str, Named]]:
    if isinstance(value, str):
        yield where, Named(name=value)
    elif isinstance(value, Mapping) and isinstance(value.get("name"), str):
        args = value.get("args")
        yield where, Named.model_construct(name=value["name"], args=dict(args) if isinstance(args, Mapping) else {})
