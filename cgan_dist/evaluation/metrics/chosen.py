"""From the metrics that a person names to what computes them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config.values import Named
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics import METRICS
from cgan_dist.evaluation.metrics.base import Metric

FEATURES_ARGUMENT = "features"


@dataclass(frozen=True)
class ChosenMetric:
    """A metric, and how its scores are told from those of the same metric on other features.

    Attributes:
        name: as it was written, e.g. `fid@classifier`.
        args: as they were given.
        settings: all arguments, defaults included: two of equal ones compute the same.
        metric: ready to score.
        suffix: `@classifier`, or nothing where the features are the metric's own choice.
    """

    name: str
    args: dict[str, Any]
    settings: dict[str, Any]
    metric: Metric
    suffix: str

    def named(self, score: str) -> str:
        """`fid/class_3` -> `fid@classifier/class_3`."""
        head, slash, rest = score.partition("/")
        return f"{head}{self.suffix}{slash}{rest}"


def choose_metrics(parts: Sequence[Named | str], label_space: LabelSpace, where: str) -> list[ChosenMetric]:
    """Builds metrics, each once, however many of its names are given.

    Args:
        parts: a name of METRICS or `package.module:Class`, either with @ and an extractor's name; and arguments.
        label_space: of the generator.
        where: the config's key path, for errors.

    Raises:
        UserError: for an unknown name or argument, labels that a metric has no use for, or one metric twice.
    """
    chosen: list[ChosenMetric] = []
    for part in parts:
        one = _choose(Named(name=part) if isinstance(part, str) else part, where)
        one.metric.check(label_space, where)
        same = [other for other in chosen if (type(other.metric), other.suffix) == (type(one.metric), one.suffix)]
        if not same:
            chosen.append(one)
        elif same[0].settings != one.settings:
            raise UserError(f"{where}: found '{same[0].name}' twice with other arguments; expected each metric once.")
    return chosen


def _choose(part: Named, where: str) -> ChosenMetric:
    name, at, features = part.name.partition("@")
    args = dict(part.args)
    if at:
        if args.get(FEATURES_ARGUMENT, features) != features or not features:
            raise UserError(f"{where}: found '{part.name}' with features {args.get(FEATURES_ARGUMENT)!r}; give one.")
        args[FEATURES_ARGUMENT] = features
    builder = METRICS.resolve(name, where)
    metric: Metric = METRICS.build(name, f"{where}.{name}", args)
    signature = inspect.signature(builder)
    bound = signature.bind(**args)
    bound.apply_defaults()
    taken = signature.parameters.get(FEATURES_ARGUMENT)
    own_choice = taken.default if taken else None
    given = bound.arguments.get(FEATURES_ARGUMENT, own_choice)
    return ChosenMetric(part.name, part.args, bound.arguments, metric, f"@{given}" if given != own_choice else "")


def on_features(names: Sequence[str], features: str, where: str) -> list[str]:
    """Writes @features behind the metrics that take features and do not say which.

    Raises:
        UserError: if a name is unknown.
    """
    written = []
    for name in names:
        takes = "@" not in name and FEATURES_ARGUMENT in inspect.signature(METRICS.resolve(name, where)).parameters
        written.append(f"{name}@{features}" if takes else name)
    return written
