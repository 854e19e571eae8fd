"""The blocks of code in the documents, and how a shell reads those of commands."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from tests.launching import ROOT

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "slurm" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCED = re.compile(r"(?:^<!-- not run: (?P<reason>.+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """What stands between two fences.

    Attributes:
        document: its file.
        line: of the first fence, from 1.
        language: behind the first fence; empty where there is none.
        text: without the fences.
        reason: of `<!-- not run: reason -->` in the line before; None where it is to be run.
    """

    document: Path
    line: int
    language: str
    text: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def blocks(document: Path, *languages: str) -> list[Block]:
    """All blocks of a document, or those of some languages."""
    text = document.read_text()
    found = []
    for match in FENCED.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        found.append(Block(document, line, match["language"], match["text"], match["reason"]))
    return [block for block in found if not languages or block.language in languages]


def statements(text: str) -> list[str]:
    """Cuts a block of commands behind every line that does not go on, and behind a here-document."""
    found: list[str] = []
    end = None
    for line in text.splitlines():
        if end is not None or (found and found[-1].endswith("\\")):
            found[-1] += f"\n{line}"
            end = None if line == end else end
        elif line.strip() and not line.startswith("#"):
            found.append(line)
            here = re.search(r"<<'(\w+)'$", line)
            end = here[1] if here else None
    return found


def words(statement: str) -> list[str]:
    """The words of one command, its comment and leading variables left out; [] of what only a shell understands."""
    lexer = shlex.shlex(statement.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found = list(lexer)
    if "$" in statement or any(set(word) <= set(lexer.punctuation_chars) for word in found):
        return []
    return list(itertools.dropwhile(re.compile(r"[A-Z_]+=").match, found))
