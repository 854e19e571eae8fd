"""YAML as people expect it: `1e-4` is a number, `on` is text, a key given twice is an error."""

from __future__ import annotations

import re
from collections.abc import Hashable
from math import inf
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from cgan_dist.bounds import CONFIG_BYTES, CONFIG_VALUES, read_text
from cgan_dist.errors import UserError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2's core schema instead of YAML 1.1's."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    yaml_constructors = {  # a config has no dates, and PyYAML fails over a `!!timestamp` that is none
        tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if "timestamp" not in str(tag)
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise UserError(f"{_place(key_node)}: a key must be plain text, found {key!r}.")
            if key in seen:
                raise UserError(f"{_place(key_node)}: the key '{key}' is given twice; remove one of the two.")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9][0-9_]*$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$"
        r"|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value.replace("_", ""), 10))


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a file whose top level is a mapping.

    Raises:
        UserError: if the file is missing, is not YAML, or is not a mapping.
    """
    try:
        text = read_text(path, CONFIG_BYTES, typed=True)
    except OSError as error:
        near = sorted(str(p) for p in Path("configs").glob("**/*.yaml"))
        hint = f" Configs here: {', '.join(near)}." if near else ""
        raise UserError(f"{path}: cannot read the config: {error.strerror or error}.{hint}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8: {error.reason} at byte {error.start}.") from error
    values = _parse(text, str(path))
    if not isinstance(values, dict):
        found = "an empty file" if values is None else type(values).__name__
        raise UserError(f"{path}: expected sections such as `data:` and `train:`, found {found}.")
    return values


def set_dotted(values: dict[str, Any], override: str) -> None:
    """Applies one `section.key=value` to nested dictionaries, in place; the value is read as YAML.

    Raises:
        UserError: if the text has no `=`, or the path runs through something that is not a section.
    """
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"override '{override}': expected section.key=value, e.g. train.batch_size=128.")
    section = values
    for depth, key in enumerate(keys[:-1]):
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
        if not isinstance(section, dict):
            raise UserError(f"override '{override}': {'.'.join(keys[: depth + 1])} is a value, not a section.")
    section[keys[-1]] = _parse(text, f"override '{override}'")


def dump_yaml(values: dict[str, Any]) -> str:
    """Writes plain values; `read_yaml` reads back the same ones."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def one_line(value: Any) -> str:
    """Writes a plain value as it may stand behind a key, on one line; `read_yaml` reads back the same one."""
    text = yaml.dump([value], Dumper=_OneLine, sort_keys=False, allow_unicode=True, default_flow_style=True, width=inf)
    return text.strip()[1:-1]


class _Dumper(yaml.SafeDumper):
    """Short lists on one line; text that our loader or YAML 1.1 would read otherwise is quoted."""


def _represent_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


def _represent_str(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    plain = isinstance(_Loader(value).get_single_data() if _is_plain(value) else None, str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


def _is_plain(value: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_./-][A-Za-z0-9_./ -]*", value) is not None


class _OneLine(_Dumper):
    """Long whole numbers in groups of three digits."""


def _represent_int(dumper: yaml.SafeDumper, value: int) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:int", f"{value:_}")


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(str, _represent_str)
_OneLine.add_representer(int, _represent_int)


def _parse(text: str, source: str) -> Any:
    try:
        loader = _Loader(text)
        loader.name = source
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            CONFIG_VALUES.check(_values(node, {}), source)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
        raise UserError(f"{where}: not valid YAML: {error.problem}.") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(
            f"{source}, line {line}: found the character {error.character:#06x}, which YAML does not allow; expected "
            "plain text. Remove the character; a file that has many of them is no config."
        ) from None
    except RecursionError:
        raise UserError(f"{source}: not valid YAML: lists or sections too deep in each other.") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of a number that Python does not read
        raise UserError(f"{source}: not valid YAML: {error}.") from None


def _values(node: yaml.Node, counted: dict[int, int | None]) -> int:
    """How many values a node stands for, what an alias repeats counted each time; None marks those around it."""
    if id(node) in counted:
        if (count := counted[id(node)]) is None:
            raise UserError(f"{_place(node)}: an alias (*) inside of what it stands for, which has no end.")
        return count
    counted[id(node)] = None
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.CollectionNode):
        pairs = isinstance(node, yaml.MappingNode)
        inner = [part for item in node.value for part in (item if pairs else [item])]
    total = 1 + sum(_values(part, counted) for part in inner)
    counted[id(node)] = total
    return total


def _place(node: yaml.Node) -> str:
    return f"{node.start_mark.name}, line {node.start_mark.line + 1}"
