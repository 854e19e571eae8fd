"""What the sections of the config are made of: kinds of values, the base of every section, a part by name."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer

from cgan_dist.bounds import CLOCK_IMAGES
from cgan_dist.config.schedule import up_to, whole

Count = Annotated[int, BeforeValidator(whole), Field(gt=0), up_to(CLOCK_IMAGES)]
WholeNumber = Annotated[int, BeforeValidator(whole), Field(ge=0), up_to(CLOCK_IMAGES)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """Base of every section: unknown keys and wrong types are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Named(Section):
    """A plug-in by short name or `package.module:Class`; written as the bare name where it has no arguments."""

    name: str
    args: dict[str, Any] = {}

    @model_serializer
    def _shortest(self) -> str | dict[str, Any]:
        return {"name": self.name, "args": self.args} if self.args else self.name


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _listed(parts: object) -> object:
    return [parts] if isinstance(parts, str | dict) else parts


Part = Annotated[Named, BeforeValidator(_named)]
Parts = Annotated[list[Part], BeforeValidator(_listed)]
"""Several; one by itself may stand without a list."""
