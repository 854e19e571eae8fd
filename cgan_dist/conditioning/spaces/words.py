"""The words of labels that a person types: cut at separators, and in quotes where a name is no plain word."""

from __future__ import annotations

import re
from collections.abc import Iterator

NUMBER = re.compile(r"-?[0-9]{1,18}")
"""A word of this form is always the number of a class, counted from 0."""
IN_QUOTES = r'"(?:[^"]|"")*"'
QUOTED = re.compile(IN_QUOTES)


def cut(text: str, separators: str) -> Iterator[tuple[str, str]]:
    """Yields each word, without the blanks around it, and the separator that ends it, which is empty at the very end.

    A word may begin with a part in quotes; separators in there are its own.
    """
    begun = re.compile(rf"\s*((?:{IN_QUOTES})?[^{separators}]*)([{separators}]?)")
    place, separator = 0, separators
    while separator:
        found = begun.match(text, place)
        assert found is not None  # it also matches nothing
        word, separator, place = found[1].strip(), found[2], found.end()
        yield word, separator


def unquoted(word: str) -> str:
    """`"12"` -> 12; a quote within is there twice. A word that is not in quotes is as it was."""
    return word[1:-1].replace('""', '"') if QUOTED.fullmatch(word) else word


def typed_name(name: str) -> str:
    """How a name is typed: in quotes if it could be read as a number, as two words, or as quoted already."""
    plain = name == name.strip() and not NUMBER.fullmatch(name) and not re.search(r'^"|[,;]', name)
    return name if plain and name else '"' + name.replace('"', '""') + '"'
