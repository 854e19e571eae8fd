"""Who still listens for answers: a search for somebody who has left is not worth its time."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator

GRACE_SECONDS = 5.0
"""A page asks first and listens then, and may lose a connection and come back."""


class Visitors:
    """Pages that listen, by the session that each of them has made up for itself.

    Args:
        now: reads seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._streams: Counter[str] = Counter()

    @contextlib.contextmanager
    def listening(self, session: str) -> Iterator[None]:
        """Within it a page of the session listens."""
        self._streams[session] += 1
        try:
            yield
        finally:
            self._streams[session] -= 1
            if not self._streams[session]:
                del self._streams[session]

    def watched(self, session: str) -> Callable[[], bool]:
        """What says whether a session still listens, if it is asked often; from any thread."""
        seen = self.now()

        def is_here() -> bool:
            nonlocal seen
            if self._streams[session] > 0:
                seen = self.now()
            return self.now() - seen <= GRACE_SECONDS

        return is_here
