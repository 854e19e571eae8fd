"""Values that change during training: pure functions of the clock, so that nothing about them is saved."""

from __future__ import annotations

import math
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from typing_extensions import TypeAliasType

from cgan_dist.bounds import CLOCK_IMAGES, Bound

NUMBER, SCHEDULE = "(number)", "(schedule)"
"""What pydantic writes into the location of an error: which form of a `Scheduled` it took the value for."""

Value = TypeVar("Value", bound=float)


def whole(value: object) -> object:
    """Lets `1e6` stand for a whole number; anything else goes to pydantic as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def up_to(bound: Bound) -> AfterValidator:
    """Holds a number of a config to a bound, whose sentence says how to allow more."""

    def check(value: float) -> float:
        if value > bound.limit:
            raise ValueError(f"found {bound.exceeded(value)}")
        return value

    return AfterValidator(check)


class Schedule(BaseModel, Generic[Value]):
    """A value that moves from `start` to `end`, in YAML `{start: 2.0e-4, end: 5.0e-5, end_images: 20_000_000}`.

    `Schedule[Positive]` holds both ends to the bounds of `Positive`; all other values lie between them.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    start: Value
    """Up to `begin_images`."""
    end: Value
    """From `end_images` on."""
    end_images: Annotated[int, BeforeValidator(whole), Field(gt=0), up_to(CLOCK_IMAGES)]
    """Of images seen, as `train.total_images`."""
    begin_images: Annotated[int, BeforeValidator(whole), Field(ge=0), up_to(CLOCK_IMAGES)] = 0
    """Before this the value is `start`."""
    shape: Literal["cosine", "linear", "step"] = "cosine"
    """`cosine` is level at both ends (Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5); `step` is `start` until the
    jump to `end` at `end_images`, wherever it begins."""

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Schedule[Value]:
        if self.begin_images >= self.end_images:
            raise ValueError(f"begin_images ({self.begin_images}) must be less than end_images ({self.end_images})")
        return self

    def __str__(self) -> str:
        return f"{self.start:g} to {self.end:g} ({self.shape}, images {self.begin_images:,} to {self.end_images:,})"

    def at(self, images_seen: int) -> float:
        """The value at a point of the clock."""
        moved = (images_seen - self.begin_images) / (self.end_images - self.begin_images)
        share = min(max(moved, 0.0), 1.0)
        if self.shape == "cosine":
            share = (1 - math.cos(math.pi * share)) / 2
        elif self.shape == "step":
            share = float(images_seen >= self.end_images)
        return (1 - share) * self.start + share * self.end  # exact at both ends


def _form(value: object) -> str:
    return SCHEDULE if isinstance(value, dict | Schedule) else NUMBER


Scheduled = TypeAliasType(
    "Scheduled",
    Annotated[Annotated[Value, Tag(NUMBER)] | Annotated[Schedule[Value], Tag(SCHEDULE)], Discriminator(_form)],
    type_params=(Value,),
)
"""A number, which stays, or a schedule, each within the bounds of `Value`: `Scheduled[Positive]` is a config's type."""


def value_at(scheduled: Scheduled[float], images_seen: int) -> float:
    """The value of a number or a schedule at a point of the clock."""
    return scheduled.at(images_seen) if isinstance(scheduled, Schedule) else float(scheduled)


def largest(scheduled: Scheduled[float]) -> float:
    """The largest value that a number or a schedule ever has."""
    return max(scheduled.start, scheduled.end) if isinstance(scheduled, Schedule) else float(scheduled)


def smallest(scheduled: Scheduled[float]) -> float:
    """The smallest value that a number or a schedule ever has."""
    return min(scheduled.start, scheduled.end) if isinstance(scheduled, Schedule) else float(scheduled)
