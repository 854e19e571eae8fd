"""Writes the tables of docs/configuration.md from the sections of the config: `python docs/reference.py`.

`make docs` does so before it builds the site, and a test holds the file in the repository to what this makes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import griffe
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cgan_dist import Config, Scheduled
from cgan_dist.config.schedule import Schedule
from cgan_dist.config.values import Named

PAGE = Path(__file__).parent / "configuration.md"
BEGIN, END = "<!-- made by docs/reference.py from cgan_dist/config -->", "<!-- end of what is made -->"
KINDS: dict[Any, str] = {
    bool: "true or false",
    float: "number",
    int: "whole number",
    Named: "part",
    str: "text",
}
BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


def page(text: str) -> str:
    """Returns the text of the page with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n\n".join([before + BEGIN, *_sections(), END + after])


def _sections() -> Iterator[str]:
    for name, field in Config.model_fields.items():
        yield _section(name, field.annotation)
    yield _section("", Schedule, "A schedule")


def _section(name: str, model: Any, heading: str = "") -> str:
    """A heading, what the section is for, and a row for each key."""
    lines = [f"## {heading or name}", "", _text(_docstring(_documented(model)).split("\n\n")[0]), ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    hints = get_type_hints(model, include_extras=True)
    for key, field in model.model_fields.items():
        owner = next(base for base in model.__mro__ if key in base.__annotations__)
        meaning = _docstring(_documented(owner)[key])
        path = f"{name}.{key}" if name else key
        cells = [f"`{path}`", kind(hints[key]), default(field), _text(meaning)]
        lines.append(" | ".join(["", *(cell.replace("|", r"\|") for cell in cells), ""]).strip())
    return "\n".join(lines)


def _documented(model: Any) -> griffe.Object | griffe.Alias:
    return _module(model.__module__)[model.__name__]  # type: ignore[no-any-return]


@functools.cache
def _module(name: str) -> griffe.Object | griffe.Alias:
    return griffe.load(name, search_paths=[PAGE.parents[1]])


def _docstring(documented: griffe.Object | griffe.Alias) -> str:
    if documented.docstring is None:
        raise SystemExit(f"{documented.path} has no docstring; docs/configuration.md is made of them.")
    return documented.docstring.value


def _text(docstring: str) -> str:
    """One line, in which `docs/NAME.md` is a link."""
    line = " ".join(docstring.split())
    return re.sub(r"docs/(([\w-]+\.md)(?:#[\w-]+)?)", r"[\2](\1)", line)


def kind(hint: Any) -> str:
    """What a value may be, in a person's words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([kind(inner[0]), *_bounds(inner[1:], inner[0] is int)])
    if origin is Scheduled:
        return f"{kind(inner[0])}, or a [schedule](#a-schedule)"
    if origin in (Union, UnionType):
        parts = [kind(part) for part in inner if part is not NoneType]
        return ", or ".join([*parts, "null"] if NoneType in inner else parts)
    if origin is Literal:
        return " or ".join(filter(None, [", ".join(f"`{x}`" for x in inner[:-1]), f"`{inner[-1]}`"]))
    if origin is list:
        return f"list of: {kind(inner[0])}"
    if origin is dict:
        return "mapping" if inner[1] is Any else f"mapping of names to: {kind(inner[1])}"
    if isinstance(hint, type) and issubclass(hint, BaseModel) and hint not in KINDS:
        return f"`{{{', '.join(hint.model_fields)}}}`"
    return KINDS.get(hint, "number")  # that of `Schedule` is a type variable


def _bounds(metadata: tuple[Any, ...], whole: bool) -> Iterator[str]:
    for constraint in (x for field in metadata if isinstance(field, FieldInfo) for x in field.metadata):
        for name, word in BOUNDS.items():
            if (bound := getattr(constraint, name, None)) is not None:
                yield f"from {bound + 1}" if whole and name == "gt" else f"{word} {bound}"


def default(field: FieldInfo) -> str:
    """A default as YAML has it."""
    return "required" if field.is_required() else f"`{_yaml(field.default)}`"


def _yaml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_yaml(part) for part in value)}]"
    if isinstance(value, Named):
        return value.name
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:_}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
