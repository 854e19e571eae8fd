from __future__ import annotations

from pathlib import Path

import pytest

from cgan_dist.config.document import load_config
from cgan_dist.config.yaml_text import dump_yaml, one_line, read_yaml, set_dotted
from cgan_dist.errors import UserError


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_500_000, "1_500_000"),
        (2e-4, "0.0002"),
        (2e-5, "2.0e-05"),
        (True, "true"),
        (None, "null"),
        ("12", '"12"'),
        ("", '""'),
        ([], "[]"),
        (["flip", "a, b"], '[flip, "a, b"]'),
        ({"start": 0.5, "parts": [{"name": "x"}]}, "{start: 0.5, parts: [{name: x}]}"),
        ("a\nb\u2028c", '"a\\nb\\Lc"'),
        ("word " * 50, "'" + "word " * 50 + "'"),
    ],
)
def test_a_value_on_one_line_reads_back(tmp_path: Path, value: object, text: str) -> None:
    assert one_line(value) == text
    assert read(tmp_path, f"a:\n  # why\n  b: {text}\n  c: 1\n") == {"a": {"b": value, "c": 1}}


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
    with pytest.raises(UserError, match=r"^override 'a=\\x01', line 1: found the character 0x0001"):
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


def test_aliases_stand_for_a_few_values_or_are_refused(tmp_path: Path) -> None:
    """Twelve lines became an error of 254 MB, and an alias of itself a traceback."""
    path = tmp_path / "config.yaml"
    path.write_text("data: &d {path: x}\nother: *d\nmore: [*d, *d]")
    assert read_yaml(path)["more"] == [{"path": "x"}, {"path": "x"}]
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    path.write_text(bomb)
    with pytest.raises(UserError, match="values, expected at most 50,000 for a config, those that aliases repeat"):
        read_yaml(path)
    for text in ("run: &r {name: *r}", "run: &r [*r]", "a: &a\n  b: &b {c: *a}"):
        path.write_text(text)
        with pytest.raises(UserError, match="an alias .* inside of what it stands for, which has no end"):
            read_yaml(path)


def test_errors_stay_short_whatever_was_found(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    for text in (
        f"run: {{name: [{'x, ' * 40_000}]}}",
        f"{'k' * 100_000}: 1",
        "".join(f"k{i}: 1\n" for i in range(9000)),
    ):
        path.write_text(text)
        with pytest.raises(UserError) as caught:
            load_config(path)
        assert len(str(caught.value)) < 8000
