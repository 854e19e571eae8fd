"""The bar of a run, by a clock that nobody sets."""

from __future__ import annotations

import time
from typing import Any

from tqdm import tqdm


class ProgressBar(tqdm):  # type: ignore[type-arg]
    """tqdm's bar with the clock that counts from the machine's start: the wall's may go back in the night.

    Takes tqdm's arguments.
    """

    monitor_interval = 0
    """No thread of tqdm's that watches over bars: it reads the wall's clock, and one that looks at a clock at every
    update has no need of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(miniters=1, **options)
        self._time = time.monotonic
        self.start_t = self.last_print_t = time.monotonic()
