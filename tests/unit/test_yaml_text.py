from __future__ import annotations

from pathlib import Path

import pytest

from cgan_dist.errors import UserError
from cgan_dist.yaml_text import dump_yaml, read_yaml, set_dotted


def read(tmp_path: Path, text: str) -> dict[str, object]:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("2.0e-4", 2e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-3", -3),
        ("128_000", 128000),
        ("010", 10),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("2026-11-24", "2026-11-24"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("'1'", "1"),
        ("1.2.3", "1.2.3"),
        ("e5", "e5"),
    ],
)
def test_scalars_are_read_as_people_expect(tmp_path: Path, text: str, value: object) -> None:
    found = read(tmp_path, f"key: {text}\n")["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value", ["on", "no", "null", "true", "1e-4", "12", "a b", "ä", "", "x: y", "#", "[a]", "-", "1_0"]
)
def test_text_survives_dumping_and_reading(tmp_path: Path, value: str) -> None:
    assert read(tmp_path, dump_yaml({"key": value, "list": [value]})) == {"key": value, "list": [value]}


def test_a_key_given_twice_is_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 3: the key 'a' is given twice"):
        read(tmp_path, "a: 1\nb: 2\na: 3\n")


def test_a_key_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 1: a key must be plain text"):
        read(tmp_path, "? [a, b]\n: 1\n")


def test_broken_yaml_names_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"file.yaml, line \d+, column \d+: not valid YAML"):
        read(tmp_path, "a: [1, 2\nb: 3\n")


@pytest.mark.parametrize("character", ["\0", "\x01", "\x7f"])
def test_characters_that_yaml_does_not_allow_are_named_with_their_line(tmp_path: Path, character: str) -> None:
    with pytest.raises(UserError, match=rf"file.yaml, line 2: found the character {ord(character):#06x}, which YAML"):
        read(tmp_path, f"a: 1\nb: x{character}y\n")


def test_an_override_with_such_a_character_is_named() -> None:
    with pytest.raises(UserError, match=r"^override 'a=\x01', line 1: found the character 0x0001"):
        set_dotted({}, "a=\x01")


@pytest.mark.parametrize("text", ["[" * 5_000, "a: " + "1" * 5_000, "a: !!int x", "a: !!float x", "a: !!timestamp x"])
def test_what_the_parser_cannot_hold_is_no_traceback(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"file.yaml.*: not valid YAML: "):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", ""])
def test_the_top_level_must_be_a_mapping(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="expected sections"):
        read(tmp_path, text)


def test_python_objects_are_never_built(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not valid YAML"):
        read(tmp_path, "a: !!python/object/apply:os.system ['true']\n")


def test_overrides_make_sections(tmp_path: Path) -> None:
    values: dict[str, object] = {"a": {"b": 1}, "n": None}
    set_dotted(values, "a.c=[1, x]")
    set_dotted(values, "n.d={e: 1e-4}")
    assert values == {"a": {"b": 1, "c": [1, "x"]}, "n": {"d": {"e": 1e-4}}}


@pytest.mark.parametrize("override", ["a", "=1", "a..b=1", "a.b.c=1"])
def test_impossible_overrides_are_refused(override: str) -> None:
    with pytest.raises(UserError, match="override"):
        set_dotted({"a": {"b": 1}}, override)
