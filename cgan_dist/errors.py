"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EAGAIN)
"""What shared storage says while a server or a network is down."""


class UserError(Exception):
    """A problem that the user can mend: bad config, bad data, bad command line.

    The command line prints its text without a traceback and exits with code 2. The text says where, what was
    found, what was expected and how to fix it.
    """


class PassingError(UserError):
    """A problem that may be gone at the next try, such as storage that does not answer: a job script tries again."""


def storage_error(error: Exception, text: str) -> UserError:
    """The error to raise where the operating system refuses to read or write: one that may pass, or one to mend."""
    return (PassingError if getattr(error, "errno", None) in PASSING else UserError)(text)


def close_match(word: str, candidates: Iterable[str]) -> str:
    """Returns `" Did you mean 'x'?"` for the candidate nearest to `word`, or an empty string."""
    matches = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""
