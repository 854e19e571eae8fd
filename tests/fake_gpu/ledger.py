"""What a stretch of the program does to the device: operations, waits, copies from the host, tensors of two devices."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
TO_BLAME = tuple(str(ROOT / path) for path in ("cgan_dist", "examples", "tests/fake_gpu/mistakes.py"))
"""Where a line must be to be named."""


@dataclass
class Ledger:
    """Counts, the last three by what and where: `item at training/step.py:60 iterate`.

    Attributes:
        operations: launched on the device; views are free.
        waits: of the host for the device.
        copies: from the host to the device, out of `pinned` or `pageable` memory.
        mixed: operations on tensors of two devices.
    """

    operations: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    copies: Counter[str] = field(default_factory=Counter)
    mixed: Counter[str] = field(default_factory=Counter)

    def wait(self, what: str) -> None:
        """Notes that the host waits."""
        self.waits[_placed(what)] += 1

    def copy(self, what: str) -> None:
        """Notes a copy from the host."""
        self.copies[_placed(what)] += 1

    def mix(self, what: str) -> None:
        """Notes tensors of two devices in one operation."""
        self.mixed[_placed(what)] += 1

    def report(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        counters = {"waits": self.waits, "copies": self.copies, "mixed": self.mixed}
        return {"operations": self.operations} | {name: dict(counter) for name, counter in counters.items()}


def _placed(what: str) -> str:
    """With the innermost line of the project that leads here."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(TO_BLAME):
            path = str(Path(file).relative_to(ROOT)).removeprefix("cgan_dist/")
            return f"{what} at {path}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return f"{what} at ?"
