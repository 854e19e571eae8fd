"""The reports of a family, as tests read them."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.launching import ROOT, environment

TIMEOUT_SECONDS = 1400


@dataclass(frozen=True)
class Page:
    """What was done in one part of a case; see `ledger.Ledger`."""

    operations: int
    waits: dict[str, int]
    copies: dict[str, int]
    mixed: dict[str, int]

    @property
    def waits_by_file(self) -> Counter[str]:
        """`item at training/step.py` and how often."""
        found: Counter[str] = Counter()
        for what, count in self.waits.items():
            found[what.rpartition(":")[0] or what] += count
        return found


@dataclass(frozen=True)
class Report:
    """What a case did.

    Attributes:
        error: what it was stopped by, if it was.
        pages: by name, which ends with the clock where a part comes more than once.
    """

    error: str | None
    pages: dict[str, Page]

    def visits(self, room: str) -> list[Page]:
        """The pages of one room, or `iteration`, in the order of the clock."""
        return [page for name, page in self.pages.items() if name.rpartition(" ")[0] == room]


@functools.cache
def reports(family: str) -> dict[str, Report]:
    """Runs a family in a process of its own, once."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fake_gpu", family],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return {found["case"]: _report(found) for found in map(json.loads, done.stdout.splitlines())}


def _report(found: dict[str, Any]) -> Report:
    return Report(found["error"], {name: Page(**page) for name, page in found["pages"].items()})
