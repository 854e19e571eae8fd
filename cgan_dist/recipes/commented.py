"""A config as YAML with the reasons beside its lines."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby

from cgan_dist.config.yaml_text import one_line
from cgan_dist.recipes.facts import printable
from cgan_dist.recipes.recipe import Choice

COLUMNS = 120
INDENT = "  "


def commented_yaml(header: str, commands: Mapping[str, Sequence[str]], choices: Sequence[Choice]) -> str:
    """Writes the text of a file that `load_config` reads.

    Args:
        header: a paragraph above the first section.
        commands: the words of each, by what it does; below the header, each on a line of its own however long.
        choices: of a section one after the other, sections in their order.
    """
    typed = [f"# {what}: {printable(shlex.join(words))}" for what, words in commands.items()]
    blocks = ["\n".join([_comment(header, ""), *typed])]
    ordered = sorted(choices, key=lambda choice: _sections(choices).index(_section(choice)))  # stable within one
    for section, lines in groupby(ordered, key=_section):
        blocks.append("\n".join([f"{section}:", *map(_line, lines)]))
    return "\n\n".join(blocks) + "\n"


def _section(choice: Choice) -> str:
    return choice.key.split(".")[0]


def _sections(choices: Sequence[Choice]) -> list[str]:
    return list(dict.fromkeys(map(_section, choices)))


def _line(choice: Choice) -> str:
    line = f"{INDENT}{choice.key.split('.')[1]}: {one_line(choice.value)}"
    return f"{_comment(choice.reason, INDENT)}\n{line}" if choice.reason else line


def _comment(text: str, indent: str) -> str:
    start = f"{indent}# "
    wrapper = textwrap.TextWrapper(COLUMNS, start, start, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(printable(text))
