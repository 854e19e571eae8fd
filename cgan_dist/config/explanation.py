"""What pydantic found wrong with a value, explained to whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel

from cgan_dist.config.schedule import NUMBER, SCHEDULE, Schedule
from cgan_dist.errors import close_match, shown

KEY_CHARACTERS = 100
_EXPECTED = {
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list, e.g. [a, b]",
    "dict_type": "a mapping, e.g. {key: value}",
    "model_type": "a section of key: value lines",
    "string_type": "text (quote it if YAML reads it as a number)",
    "string_pattern_mismatch": "letters, digits, '.', '_' or '-', beginning with a letter or digit",
}


def explain(problem: Any, root: type[BaseModel], where: str = "") -> str:
    """One problem of a `ValidationError` in a person's words: key path, found, expected, close match.

    Args:
        problem: of `ValidationError.errors()`.
        root: what was validated; `Schedule` for a lone `Scheduled`.
        where: key path of the whole.
    """
    location = [part for part in problem["loc"] if part not in (NUMBER, SCHEDULE)]
    path = ".".join(str(part)[:KEY_CHARACTERS] for part in ([where, *location] if where else location))
    found = problem["input"]
    context = problem.get("ctx", {})
    if problem["type"] == "extra_forbidden":
        known = _keys_at(root, problem["loc"][:-1])
        return f"{path}: unknown key.{close_match(str(problem['loc'][-1]), known)} Known here: {', '.join(known)}."
    if problem["type"] == "missing":
        in_list = any(part.isdigit() for part in path.split("."))  # where no override reaches
        advice = "Add it." if in_list else f"Add it, or pass {path}=VALUE on the command line."
        return f"{path}: required, but not given. {advice}"
    if problem["type"] == "literal_error":
        expected = context["expected"]
        return f"{path}: found {_show(found)}; expected {expected}.{close_match(str(found), expected.split(chr(39)))}"
    if problem["type"] == "value_error":
        return f"{path}: {context['error']}." if path else f"{context['error']}."
    expected = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Input should be ")
    if problem["type"] == "float_type" and problem["loc"][-1] == NUMBER:
        expected += ", or a schedule, e.g. {start: 1, end: 0, end_images: 1_000_000}"
    return f"{path}: found {_show(found)}; expected {expected}."


def _show(value: object) -> str:
    kind = {str: "text", bool: "truth value", type(None): "null"}.get(type(value), type(value).__name__)
    return f"{shown(value)} ({kind})" if value is not None else "null"


def _keys_at(model: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    for part in location:
        if part == SCHEDULE:
            model = Schedule
        elif part in model.model_fields:  # and not a place in a list
            model = next(_models_in(model.model_fields[str(part)].annotation), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
