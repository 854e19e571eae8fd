"""`state.json` of a checkpoint: everything besides tensors, in one schema with a number."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from cgan_dist.bounds import CLOCK_IMAGES, IMAGE_SIDE, LATENT_CHANNELS
from cgan_dist.config.explanation import explain
from cgan_dist.errors import UserError, shown
from cgan_dist.labels import LabelSchema
from cgan_dist.latents.facts import LatentFacts

FORMAT = "cgan_dist checkpoint 1"
"""Another number where a reader of this one would go astray. Checkpoints before it have none, and are read as this."""
Side = Annotated[int, Field(gt=0, le=IMAGE_SIDE.limit)]
WholeNumber = Annotated[int, Field(ge=0, le=CLOCK_IMAGES.limit)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class DataFacts(_Strict):
    """What the data was: `DataSpec.to_dict`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    latents: LatentFacts | None = None
    channels: Annotated[int, Field(gt=0, le=LATENT_CHANNELS.limit)]
    height: Side
    width: Side
    count: WholeNumber
    labels: LabelSchema
    fingerprint: str

    @field_validator("channels")
    @classmethod
    def _fits(cls, channels: int, info: ValidationInfo) -> int:
        latents = info.data.get("latents")
        if channels not in ((1, 3) if latents is None else (latents.channels,)):
            raise ValueError(f"found {channels}; expected {'1 or 3' if latents is None else 'those of the latents'}")
        return channels


class MeterState(_Strict):
    """The open interval of the log: `Meter.state`."""

    sums: dict[str, Finite] = {}
    counts: dict[str, Finite] = {}

    @model_validator(mode="after")
    def _of_the_same(self) -> MeterState:
        if self.sums.keys() != self.counts.keys():
            raise ValueError("sums and counts have different names")
        return self


class ScalerState(_Strict):
    """What torch's `GradScaler` keeps."""

    scale: Annotated[Finite, Field(ge=0)]
    growth_factor: Annotated[Finite, Field(gt=1)]
    backoff_factor: Annotated[Finite, Field(gt=0, lt=1)]
    growth_interval: Annotated[int, Field(gt=0)]
    growth_tracker: Annotated[int, Field(ge=0, alias="_growth_tracker")]


class Beginning(_Strict):
    """The run that this one began with."""

    run: str
    images_seen: WholeNumber


class State(_Strict):
    """The whole file. What a later revision adds under the same number is left unread."""

    format: Literal["cgan_dist checkpoint 1"] = "cgan_dist checkpoint 1"
    images_seen: WholeNumber
    config: dict[str, Any]
    """As `Config` has it; a checkpoint may be older than a key."""
    data: DataFacts
    meter: MeterState
    scores: dict[str, Any] = {}
    """By `config.score`, which passes over nonsense."""
    begun_from: Beginning | None = None
    versions: dict[str, Any] = {}
    scalers: dict[str, ScalerState] = {}
    world_size: Annotated[int, Field(gt=0)] | None = None


def problem_of(values: Any, where: str) -> str | None:
    """What is wrong with the content of a `state.json`: the key, what was found and what is expected.

    Args:
        values: of the file.
        where: names it.

    Raises:
        UserError: for one of another format, which is no damage, and for which no older one should be taken.
    """
    if not isinstance(values, dict):
        return f"it is {type(values).__name__}, expected an object"
    found = values.get("format", FORMAT)
    if found != FORMAT and isinstance(found, str) and found.startswith("cgan_dist checkpoint "):
        raise UserError(
            f"{where}: format: found {shown(found)}, expected '{FORMAT}'. Another version of cgan_dist wrote it; "
            "install that one."
        )
    try:
        State.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "missing":
            return f"{'.'.join(map(str, problem['loc']))} is not there"
        return explain(problem, State).removesuffix(".")
    return None
