"""How a person writes labels that are made of named values: `azimuth=30,elevation=0.5; azimuth=60`."""

from __future__ import annotations

from collections.abc import Container, Sequence

from cgan_dist.conditioning.spaces.stored import listed
from cgan_dist.conditioning.spaces.words import cut, unquoted
from cgan_dist.errors import UserError, close_match


def split_labels(text: str) -> list[list[str]]:
    """Cuts `a=1,b; c` into the words of each label, [[a=1, b], [c]].

    A label may have no word; a semicolon at the very end begins none. What is in quotes stays whole.
    """
    labels: list[list[str]] = [[]]
    for word, separator in cut(text, ",;"):
        if word:
            labels[-1].append(word)
        if separator == ";":
            labels.append([])
    return labels[:-1] if len(labels) > 1 and not labels[-1] else labels


def split_word(word: str, known: Container[str]) -> tuple[str, str | None]:
    """Cuts `name=value`; a bare name has no value. The name may be in quotes."""
    for name in (word, unquoted(word)):
        if name in known:
            return name, None
    name, equals, value = word.rpartition("=")
    return (unquoted(name.strip()), value.strip()) if equals else (unquoted(word), None)


def read_assignments(words: Sequence[str], known: Sequence[str], what: str) -> dict[str, str | None]:
    """Reads the words of one label.

    Args:
        words: each `name=value` or a bare name.
        known: names there are.
        what: they are, for the error.

    Raises:
        UserError: if a name is unknown, or there twice.
    """
    found: dict[str, str | None] = {}
    for word in words:
        name, value = split_word(word, known)
        if name not in known:
            raise UserError(f"label '{word}': no such {what}.{close_match(name, known)} There are: {listed(known)}.")
        if name in found:
            raise UserError(f"label '{word}': {name} is there twice in one label; ';' separates labels.")
        found[name] = value
    return found
