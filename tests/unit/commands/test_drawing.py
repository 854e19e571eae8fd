from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from cgan_dist.cli import main
from cgan_dist.commands.drawing import Drawing, composed
from cgan_dist.errors import UserError

ASKED: dict[str, Any] = {"run": Path("runs/demo"), "labels": None, "truncation": None, "seed": 0}
DRAWN = ASKED | {"autoencoder": None, "trust_code": False}
MOVED: dict[str, Any] = DRAWN | {"steps": None, "fps": 12.0}
OUT = {"out": Path("a.png")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sample", DRAWN | OUT | {"per_label": None, "z": "random"}),
        ("walk", MOVED | OUT | {"walks": None, "stops": None, "z": None}),
        ("slide", MOVED | OUT | {"rows": None, "z": None}),
        ("neighbours", DRAWN | OUT | {"per_label": 1, "k": 3, "features": "pixels", "data": None}),
    ],
)
def test_what_a_command_does_where_nothing_is_said(name: str, expected: dict[str, Any]) -> None:
    with main.commands[name].make_context(name, ["runs/demo", "--out", "a.png"]) as context:
        assert context.params == expected


def test_options_are_shown_in_the_order_in_which_they_are_composed() -> None:
    first, second, third = (click.option(f"--{name}") for name in ("first", "second", "third"))

    @click.command()
    @composed(first, composed(second, third))
    def command() -> None:
        pass

    assert [option.name for option in command.params] == ["first", "second", "third"]


def test_nothing_is_loaded_before_it_is_needed(tmp_path: Path) -> None:
    asked = Drawing(run=tmp_path / "nowhere", labels="3", truncation=0.7, seed=1, trust_code=False)
    with pytest.raises(UserError, match="nowhere: no such folder"):
        asked.choose(4)
