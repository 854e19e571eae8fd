"""The command line as a stranger sees it: what there is, in the order of use, in whole sentences."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections import Counter
from importlib import import_module
from itertools import chain

import click
import pytest
from click.testing import CliRunner, Result

from cgan_dist import commands
from cgan_dist.cli import ROOMS, main

SHOWN = [command for room in ROOMS.values() for command in room if not command.hidden]
HEAVY = ("accelerate", "numpy", "PIL", "pydantic", "torch", "wandb", "yaml")


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="cgan-dist")


def shown(*words: str, columns: int = 80) -> str:
    """What `--help` prints in a terminal that wide, where click leaves two columns free; its CliRunner does not."""
    context = main.make_context("cgan-dist", [], resilient_parsing=True, terminal_width=columns - 2)
    for word in words:
        context = main.commands[word].make_context(word, [], context, resilient_parsing=True)
    return context.get_help()


def sections(text: str) -> dict[str, list[str]]:
    """Lines below each title."""
    found: dict[str, list[str]] = {}
    for line in filter(None, text.splitlines()):
        if line.endswith(":") and not line.startswith(" "):
            found[line.removesuffix(":")] = []
        elif found:
            found[list(found)[-1]].append(line)
    return found


def test_every_command_stands_in_one_group() -> None:
    defined = {
        id(thing)
        for module in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}.")
        for thing in vars(import_module(module.name)).values()
        if isinstance(thing, click.Command)
    }
    listed = Counter(map(id, chain(*ROOMS.values())))
    assert set(listed) == defined == set(map(id, main.commands.values()))
    assert set(listed.values()) == {1}


def test_the_groups_come_in_the_order_of_use() -> None:
    found = sections(shown())
    assert list(found) == ["Options", "Data", "Train", "Look", "Edit", "Score", "Share", "Cluster"]
    for title, room in ROOMS.items():
        names = [line.split()[0] for line in found[title] if line[2] != " "]
        assert names == [command.name for command in room if not command.hidden]


@pytest.mark.parametrize("columns", [60, 80])
def test_no_sentence_is_cut_off(columns: int) -> None:
    lines = shown(columns=columns).splitlines()
    assert max(map(len, lines)) <= columns
    text = " ".join(" ".join(lines).split())
    for command in SHOWN:
        sentence = (command.help or "").partition("\n")[0]
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "..." not in sentence
        assert f" {command.name} {sentence} " in f"{text} "


def test_a_sentence_takes_two_lines_at_most_and_hangs() -> None:
    start = " " * (4 + max(len(str(command.name)) for command in SHOWN))
    lines = list(chain(*list(sections(shown()).values())[1:]))
    assert len(lines) <= 2 * len(SHOWN)
    for line in lines:
        assert line[: len(start)].strip() in {"", *(command.name for command in SHOWN)}
        assert line[len(start)] != " "


def test_without_a_command_it_prints_the_same() -> None:
    assert typed().output == typed("--help").output == typed("-h").output


def test_what_only_job_scripts_type_is_not_listed_and_works() -> None:
    assert [command.name for command in chain(*ROOMS.values()) if command.hidden] == ["run-folder"]
    assert "run-folder" not in typed("--help").output
    assert typed("run-folder", "--help").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["export", "runs/demo", "--overwite"], "No such option '--overwite'. Did you mean '--overwrite'?"),
    ],
)
def test_the_close_match_of_a_typo_is_named(words: list[str], message: str) -> None:
    result = typed(*words)
    assert (result.exit_code, message in result.output) == (2, True), result.output


@pytest.mark.parametrize("name", main.commands)
def test_every_option_says_what_it_is(name: str) -> None:
    command = main.commands[name]
    lines = shown(name).splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.opts[0]} has no help"
            assert option.help.endswith("."), f"{name} {option.opts[0]}: {option.help}"
            assert option.help in text, f"{name} {option.opts[0]} is broken within a word"


def test_help_imports_nothing_heavy() -> None:
    lines = [
        f"main({words!r}, standalone_mode=False)" for words in (["--help"], *([n, "--help"] for n in main.commands))
    ]
    script = "\n".join(
        ["import sys", "from cgan_dist.cli import main", *lines, f"print([m for m in {HEAVY} if m in sys.modules])"]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=900)
    assert done.stdout.splitlines()[-1] == "[]"
