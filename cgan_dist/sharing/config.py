"""`config.json` of a model folder: all that it takes to build a generator again, and where its weights are from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from cgan_dist import __version__
from cgan_dist.bounds import IMAGE_SIDE, LATENT_CHANNELS, RECORD_BYTES, read_text
from cgan_dist.config.document import Config
from cgan_dist.config.explanation import KEY_CHARACTERS
from cgan_dist.config.named_code import named_code
from cgan_dist.config.schedule import up_to
from cgan_dist.config.sections import ConditioningConfig, DataConfig, GeneratorConfig, RunConfig
from cgan_dist.config.values import Count, Part, Section, WholeNumber
from cgan_dist.data.spec import DataSpec
from cgan_dist.errors import UserError, close_match, shown
from cgan_dist.labels import LabelSchema
from cgan_dist.latents.facts import LatentFacts

CONFIG = "config.json"
FORMAT = "cgan_dist model 1"
VERSION_CHARACTERS = 40
Side = Annotated[Count, up_to(IMAGE_SIDE)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ImageFacts(Section):
    """What the generator draws; where it draws latents, their size, and `latents` says what decodes them."""

    latents: LatentFacts | None = None
    channels: Annotated[int, Field(gt=0, le=LATENT_CHANNELS.limit)]
    height: Side
    width: Side
    pixels: Literal["half", "half128", "unit"]
    """Value range of pictures, as `data.pixels` of a config; of decoded ones `unit`."""

    @field_validator("channels")
    @classmethod
    def _fits(cls, channels: int, info: ValidationInfo) -> int:
        latents = info.data.get("latents")
        if channels not in ((1, 3) if latents is None else (latents.channels,)):
            expected = "1 or 3" if latents is None else "those of the latents"
            raise PydanticCustomError("channels", "Input should be {expected}", {"expected": expected})
        return channels

    @model_serializer(mode="wrap")
    def _as_ever(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        if self.latents is None:  # so that earlier versions read what draws pictures
            del values["latents"]
        return values


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
        run = RunConfig.model_construct(name=self.origin.run)  # which is no name of a folder here
        return Config(run=run, data=data, conditioning=self.conditioning, generator=self.generator)

    @property
    def spec(self) -> DataSpec:
        """The data's facts, as far as a generator depends on them; how many images there were is not known here."""
        return DataSpec.of(self.image, self.labels, self.origin.data)

    @property
    def plugins(self) -> dict[str, str]:
        """Key path to `package.module:Thing` of what is no part of this package: code that is not in the folder."""
        return {where: part.name for where, part in named_code(self.settings).items()}

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
        values = json.loads(read_text(path, RECORD_BYTES))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: no {CONFIG} in it; expected a model folder, as `cgan-dist export RUN --out DIR` writes it."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{path}: damaged: {reason}. Export the model, or download it, again.") from error
    return parse_model_config(values, str(path))


def parse_model_config(values: Any, source: str) -> ModelConfig:
    """Validates the content of `config.json`; `source` is named in errors.

    Raises:
        UserError: for another format or version, unknown keys and values that cannot be.
    """
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        made = _version(values)
        newer = str(found).startswith("cgan_dist model")
        advice = (
            f"It was written by cgan_dist {made}, this is {__version__}: install that version."
            if newer
            else "It is no generator of cgan_dist."
        )
        raise UserError(f"{source}: format: found {shown(found)}, expected '{FORMAT}'. {advice}")
    try:
        return ModelConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {_explained(error, values)}") from None


def _explained(error: ValidationError, values: dict[str, Any]) -> str:
    problem = error.errors()[0]
    path = ".".join(str(part)[:KEY_CHARACTERS] for part in problem["loc"])
    written = f"The file was written by cgan_dist {_version(values)}, this is {__version__}."
    if problem["type"] == "extra_forbidden":
        known = ModelConfig.model_fields if len(problem["loc"]) == 1 else ()
        return f"{path}: unknown key.{close_match(str(problem['loc'][-1]), known)} {written}"
    if problem["type"] == "missing":
        return f"{path}: required, but not there. {written}"
    expected = problem["msg"].removeprefix("Input should be ")
    return f"{path}: found {shown(problem['input'])}; expected {expected}. {written}"


def _version(values: Any) -> str:
    return str(values.get("version") if isinstance(values, dict) else None)[:VERSION_CHARACTERS]
