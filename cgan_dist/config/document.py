"""The YAML config: strict sections, dotted overrides, errors that name the key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from cgan_dist.config.explanation import explain
from cgan_dist.config.sections import ConditioningConfig, DataConfig, GeneratorConfig, PartConfig, RunConfig
from cgan_dist.config.training import EmaConfig, LossConfig, OptimConfig, TrainConfig
from cgan_dist.config.values import Section
from cgan_dist.config.watching import CheckpointConfig, EvaluateConfig, GuardConfig, SampleConfig, TrackingConfig
from cgan_dist.config.yaml_text import dump_yaml, read_yaml, set_dotted
from cgan_dist.errors import UserError, has_control, without_secrets

PROBLEMS_TOLD = 20


class Config(Section):
    """A whole config; every section but `data` has defaults."""

    run: RunConfig = RunConfig()
    data: DataConfig
    conditioning: ConditioningConfig = ConditioningConfig()
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: PartConfig = PartConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    ema: EmaConfig = EmaConfig()
    sample: SampleConfig = SampleConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    tracking: TrackingConfig = TrackingConfig()
    guard: GuardConfig = GuardConfig()

    @model_validator(mode="after")
    def _batch_fits_streams(self) -> Config:
        if self.train.batch_size % self.data.streams:
            raise ValueError(
                f"train.batch_size ({self.train.batch_size}) must be a multiple of data.streams "
                f"({self.data.streams}); nearest: {_nearest_multiple(self.train.batch_size, self.data.streams)}"
            )
        return self

    @model_validator(mode="after")
    def _best_is_evaluated(self) -> Config:
        if self.checkpoint.keep_best is not None and not self.evaluate.metrics:
            raise ValueError("checkpoint.keep_best needs a metric that is evaluated: set evaluate.metrics too")
        return self

    def to_yaml(self) -> str:
        """Returns the resolved config, every default written out."""
        return dump_yaml(self.model_dump())

    def differences(self, other: Config) -> dict[str, tuple[Any, Any]]:
        """Returns the keys whose values differ, sorted, with this config's value and the other's; None where unset."""
        own, its = _flat(self.model_dump()), _flat(other.model_dump())
        keys = sorted(own.keys() | its.keys())
        return {key: (own.get(key), its.get(key)) for key in keys if own.get(key) != its.get(key)}

    def check_world_size(self, world_size: int) -> None:
        """Checks that streams, and with them the batch, and micro-batches divide over `world_size` processes.

        Raises:
            UserError: naming the key and the nearest value that works.
        """
        streams = -(-self.data.streams // world_size) * world_size
        if self.data.streams != streams:
            raise UserError(
                f"data.streams: {self.data.streams} streams cannot be dealt to {world_size} processes; expected a "
                f"multiple of {world_size} that divides the batch, e.g. data.streams={streams} with train.batch_size="
                f"{_nearest_multiple(self.train.batch_size, streams)}."
            )
        share = self.train.batch_size // world_size
        if share % min(self.train.micro_batch or share, share):
            raise UserError(
                f"train.micro_batch: {self.train.micro_batch} does not divide the {share} images that each of "
                f"{world_size} processes takes of a batch of {self.train.batch_size}."
            )


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a YAML config and applies `section.key=value` overrides.

    Raises:
        UserError: one readable message with every problem: key path, found, expected, close match.
    """
    values = read_yaml(Path(path))
    for override in overrides:
        set_dotted(values, override)
    config = parse_config(values, str(path))
    _check_texts(config.model_dump(), "", str(path))
    return config


def parse_config(values: dict[str, Any], source: str) -> Config:
    """Validates plain values, as `load_config` does after reading; `source` is named in errors."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = [explain(problem, Config) for problem in error.errors()[:PROBLEMS_TOLD]]
        more = [f"and {error.error_count() - PROBLEMS_TOLD} more."] * (error.error_count() > PROBLEMS_TOLD)
        raise UserError("\n".join(f"{source}: {problem}" for problem in [*problems, *more])) from None


def _check_texts(value: Any, key: str, source: str) -> None:
    """Refuses what a batch file or a terminal would obey, and passwords, which would be kept with the run.

    Raises:
        UserError: at the first text that has such.
    """
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_texts(name, key, source)
            _check_texts(inner, f"{key}.{name}" if key else str(name), source)
    elif isinstance(value, str) and has_control(value):
        raise UserError(f"{source}: {key}: found a line end or another control character in {value!r}.")
    elif isinstance(value, str) and without_secrets(value) != value:
        raise UserError(
            f"{source}: {key}: found {without_secrets(value)!r}, a URL with a password or a key in it, which would be "
            "kept in the run folder and in every checkpoint. Take it out of the URL: curl reads passwords from "
            "~/.netrc (data.path='pipe:curl --netrc ...'), and s3:// and the like from their own settings."
        )


def _nearest_multiple(value: int, factor: int) -> str:
    lower = math.floor(value / factor) * factor
    return f"{lower} or {lower + factor}" if lower else str(factor)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
