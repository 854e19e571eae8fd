"""`config.json` of a model folder: all that it takes to build a generator again, and where its weights are from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from cgan_dist import __version__
from cgan_dist.config import Config
from cgan_dist.errors import UserError, close_match
from cgan_dist.labels import LabelSchema
from cgan_dist.sections import ConditioningConfig, Count, DataConfig, GeneratorConfig, Part, Section, WholeNumber
from cgan_dist.types import DataSpec

CONFIG = "config.json"
FORMAT = "cgan_dist model 1"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ImageFacts(Section):
    """What the generator draws."""

    channels: Literal[1, 3]
    height: Count
    width: Count
    pixels: Literal["half", "half128", "unit"]
    """Value range, as `data.pixels` of a config."""


class Conditions(ConditioningConfig):
    """The label space over the data's labels, and the generator's ways; as in a config, but nothing has a default."""

    labels: Part
    generator: list[Part]
    discriminator: Annotated[list[Part], Field(exclude=True, max_length=0)] = []


class Origin(Section):
    """The checkpoint that the weights are from."""

    run: str
    checkpoint: str
    images_seen: WholeNumber
    checkpoint_sha256: Sha256
    """Of its manifest, which has the hash of every file in it."""
    data: str
    """Fingerprint of the data that it was trained on."""


class ModelConfig(Section):
    """The whole file."""

    format: Literal["cgan_dist model 1"] = "cgan_dist model 1"
    version: str = __version__
    """Of the package that wrote it."""
    image: ImageFacts
    generator: GeneratorConfig
    conditioning: Conditions
    labels: LabelSchema
    """Those of the data, of which the label space takes all or some."""
    origin: Origin
    weights_sha256: Sha256 | None = None
    """Of the weights' file; null while there is none."""

    @property
    def settings(self) -> Config:
        """What of a training config builds the generator."""
        data = DataConfig(path=self.origin.data, pixels=self.image.pixels)
        return Config(data=data, conditioning=self.conditioning, generator=self.generator)

    @property
    def spec(self) -> DataSpec:
        """The data's facts, as far as a generator depends on them; how many images there were is not known here."""
        image = self.image
        return DataSpec(
            channels=image.channels,
            height=image.height,
            width=image.width,
            count=0,
            labels=self.labels,
            fingerprint=self.origin.data,
        )

    @property
    def plugins(self) -> dict[str, str]:
        """Key path to `package.module:Thing` of what is no part of this package: code that is not in the folder."""
        named = {"generator.name": self.generator.name, "conditioning.labels": self.conditioning.labels.name}
        named |= {f"conditioning.generator.{n}": way.name for n, way in enumerate(self.conditioning.generator)}
        named |= dict(_parts(self.conditioning.labels.args.get("parts"), "conditioning.labels.args.parts"))
        return {where: name for where, name in named.items() if ":" in name}

    @property
    def plugin_names(self) -> str:
        """The same code, for a person."""
        return ", ".join(f"'{name}'" for name in dict.fromkeys(self.plugins.values()))

    def to_json(self) -> str:
        """Returns the file's text; `parse_model_config` reads it."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True) + "\n"


def read_model_config(folder: Path) -> ModelConfig:
    """Reads `config.json` of a model folder.

    Raises:
        UserError: if there is none, or it is damaged, or of another version.
    """
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: no {CONFIG} in it; expected a model folder, as `cgan-dist export RUN --out DIR` writes it."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{path}: damaged: {reason}. Export the model, or download it, again.") from error
    return parse_model_config(values, str(path))


def refuse_plugins(config: ModelConfig, folder: Path) -> None:
    """Refuses a config that names code: it may come from a stranger, and what it names is imported and called.

    Raises:
        UserError: if it does.
    """
    if config.plugins:
        raise UserError(
            f"{folder / CONFIG}: {next(iter(config.plugins))}: the model needs {config.plugin_names}, code of its "
            "author's own that is not in the folder. If you have it and trust this file, load with "
            "Generator.from_pretrained(..., trust_plugins=True); the module must be importable, by PYTHONPATH or from "
            "the folder that you start in."
        )


def parse_model_config(values: Any, source: str) -> ModelConfig:
    """Validates the content of `config.json`; `source` is named in errors.

    Raises:
        UserError: for another format or version, unknown keys and values that cannot be.
    """
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        made = values.get("version") if isinstance(values, dict) else None
        newer = str(found).startswith("cgan_dist model")
        advice = (
            f"It was written by cgan_dist {made}, this is {__version__}: install that version."
            if newer
            else "It is no generator of cgan_dist."
        )
        raise UserError(f"{source}: format: found {found!r}, expected '{FORMAT}'. {advice}")
    try:
        return ModelConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {_explained(error, values)}") from None


def _explained(error: ValidationError, values: dict[str, Any]) -> str:
    problem = error.errors()[0]
    path = ".".join(str(part) for part in problem["loc"])
    written = f"The file was written by cgan_dist {values.get('version')}, this is {__version__}."
    if problem["type"] == "extra_forbidden":
        known = ModelConfig.model_fields if len(problem["loc"]) == 1 else ()
        return f"{path}: unknown key.{close_match(str(problem['loc'][-1]), known)} {written}"
    if problem["type"] == "missing":
        return f"{path}: required, but not there. {written}"
    expected = problem["msg"].removeprefix("Input should be ")
    return f"{path}: found {problem['input']!r}; expected {expected}. {written}"


def _parts(parts: Any, where: str) -> Iterator[tuple[str, str]]:
    """The label spaces that a product is made of, by name or as {name, args}."""
    for number, part in enumerate(parts if isinstance(parts, list) else []):
        name = part.get("name") if isinstance(part, dict) else part
        if isinstance(name, str):
            yield f"{where}.{number}", name
