"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable

PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EAGAIN)
"""What shared storage says while a server or a network is down."""
CONTROL = re.compile(r"(?!\t)[\x00-\x1f\x7f-\x9f]")
"""What a terminal obeys, and where a line of a file ends: in no name. A tab is only a space."""
ON_SCREEN = re.compile(r"(?![\n\t])[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""The same in a text of several lines, and what turns the order of letters round."""
SECRETS = (
    re.compile(r"(https?://)[^/\s'\"]+(?=@)", re.IGNORECASE),
    re.compile(r"(\w[\w+.-]*://[^/\s'\":@]*:)[^/\s'\"]+(?=@)"),
    re.compile(r"([?&][^=&\s'\"]*(?:key|token|secret|password|sig|signature|credential)=)[^&\s'\")]+", re.IGNORECASE),
    re.compile(r"(authorization: *\w+ +)[^\s'\"]+", re.IGNORECASE),
)
"""User and password of a URL, its keys, and what a command gives a server."""

MATCHED_CHARACTERS = 200


class UserError(Exception):
    """A problem that the user can mend: bad config, bad data, bad command line.

    The command line prints its text without a traceback and exits with code 2. The text says where, what was
    found, what was expected and how to fix it; it is printable, whoever wrote the names that are in it.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class PassingError(UserError):
    """A problem that may be gone at the next try, such as storage that does not answer: a job script tries again."""


def storage_error(error: Exception, text: str) -> UserError:
    """The error to raise where the operating system refuses to read or write: one that may pass, or one to mend."""
    return (PassingError if getattr(error, "errno", None) in PASSING else UserError)(text)


def shown(value: object, most: int = 200) -> str:
    """A value as Python writes it; of a long one the beginning, for a message is no place for a megabyte."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def has_control(text: str) -> bool:
    """Whether a name has a character that a terminal or a file of lines would obey."""
    return CONTROL.search(text) is not None


def without_secrets(text: str) -> str:
    """A text without the passwords and keys of the URLs in it; the same of one that has none."""
    for secret in SECRETS:
        text = secret.sub(r"\1***", text)
    return text


def printable(text: str) -> str:
    """A text as it may be shown to a person or kept in a log, whoever wrote parts of it.

    Control characters but line ends and tabs are written as Python writes them, and secrets of URLs are left out.
    """
    return ON_SCREEN.sub(lambda found: found[0].encode("unicode_escape").decode(), without_secrets(text))


def close_match(word: str, candidates: Iterable[str]) -> str:
    """Returns `" Did you mean 'x'?"` for the candidate nearest to `word`, or an empty string."""
    if len(word) > MATCHED_CHARACTERS:  # which takes the square of the length
        return ""
    matches = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""
