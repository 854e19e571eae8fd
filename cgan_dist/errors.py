"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A problem that the user can mend: bad config, bad data, bad command line.

    The command line prints its text without a traceback and exits with code 2. The text says where, what was
    found, what was expected and how to fix it.
    """


def close_match(word: str, candidates: Iterable[str]) -> str:
    """Returns `" Did you mean 'x'?"` for the candidate nearest to `word`, or an empty string."""
    matches = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""
