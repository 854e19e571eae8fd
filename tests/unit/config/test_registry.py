from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from cgan_dist.config.registry import Registry
from cgan_dist.config.schedule import Schedule, Scheduled
from cgan_dist.config.values import NotNegative
from cgan_dist.errors import UserError


class Part:
    def __init__(
        self,
        size: int,
        width: int = 64,
        norm: Literal["batch", "none"] = "batch",
        scales: tuple[float, ...] = (),
        depth: Annotated[int, Field(gt=0)] = 1,
        weight: Scheduled[NotNegative] = 1.0,
    ) -> None:
        self.size, self.width, self.norm, self.scales, self.depth = size, width, norm, scales, depth
        self.weight = weight


PARTS = Registry("part", f"{__name__}:Part", {"part": f"{__name__}:Part", "moved": "cgan_dist.config.registry:Absent"})


def message(name: str, args: dict[str, object], **interface: object) -> str:
    with pytest.raises(UserError) as caught:
        PARTS.build(name, "section", args, **interface)
    return str(caught.value)


def test_a_short_name_and_a_dotted_path_build_the_same() -> None:
    for name in ("part", f"{__name__}:Part"):
        part = PARTS.build(name, "section", {"width": 8}, size=3)
        assert (part.size, part.width) == (3, 8)


@pytest.mark.parametrize(
    ("name", "args", "fragments"),
    [
        ("prat", {}, ["section: unknown part 'prat'", "Did you mean 'part'?", "package.module:attribute"]),
        (
            "part",
            {"widht": 8},
            ["section.args.widht: unknown argument", "Did you mean 'width'?", "Accepted: width, norm, scales, depth"],
        ),
        ("part", {"size": 8}, ["section.args.size: decided by the data"]),
        ("part", {"width": "wide"}, ["section.args.width: found 'wide'", "valid integer"]),
        ("part", {"depth": 0}, ["section.args.depth: found 0", "expects greater than 0"]),
        ("part", {"norm": "bacth"}, ["section.args.norm: found 'bacth'", "'batch' or 'none'"]),
        ("part", {"weight": "high"}, ["section.args.weight: found 'high' (text); expected a number, or a schedule"]),
        (
            "part",
            {"weight": {"start": 1, "end": 0, "end_image": 8}},
            ["section.args.weight.end_image: unknown key", "Did you mean 'end_images'?"],
        ),
        (
            "part",
            {"weight": {"start": 1, "end": 0}},
            ["section.args.weight.end_images: required, but not given. Add it, or pass section.args"],
        ),
        (
            "part",
            {"weight": {"start": -1, "end": 0, "end_images": 8}},
            ["section.args.weight.start: found -1", "greater than or equal to 0"],
        ),
        (":X", {}, ["section: unknown part ':X'"]),
        ("..os:system", {}, ["section: unknown part '..os:system'"]),
        ("os path:join", {}, ["section: cannot import 'os path:join'"]),
        ("absent_module:X", {}, ["section: cannot import 'absent_module:X'"]),
        ("moved", {}, ["has no 'Absent'"]),
        (
            f"{__name__}:__name__",
            {},
            ["a str, is no part; expected a subclass of tests.unit.config"],
        ),
    ],
)
def test_errors_say_where_and_what_is_close(name: str, args: dict[str, object], fragments: list[str]) -> None:
    found = message(name, args, size=3)
    for fragment in fragments:
        assert fragment in found


def test_a_part_that_needs_more_is_refused() -> None:
    assert "also needs size" in message("part", {})


def test_a_part_that_cannot_take_the_interface_is_refused() -> None:
    assert "does not accept shape" in message("part", {}, size=1, shape=(1,))


def test_a_list_of_yaml_may_stand_for_a_tuple() -> None:
    assert PARTS.build("part", "section", {"scales": [1, 0.5]}, size=3).scales == (1, 0.5)
    assert "section.args.scales: found [1, 'x']" in message("part", {"scales": [1, "x"]}, size=1)


def test_a_mapping_may_be_a_schedule() -> None:
    weight = PARTS.build("part", "section", {"weight": {"start": 1, "end": 0, "end_images": 1e6}}, size=3).weight
    assert weight == Schedule(start=1.0, end=0.0, end_images=1_000_000)


def test_text_is_not_read_as_a_number() -> None:
    assert "found '8'" in message("part", {"width": "8"}, size=1)
