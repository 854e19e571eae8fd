"""Standard streams that outlive whoever reads them: a closed terminal, `| head`, a full disk cost no hour of work."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

GONE = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO)
"""What is said of a reader that will not come back: of a pipe, of a terminal, of a descriptor."""


def outlive_readers() -> None:
    """Makes standard output and error of this process ones that never fail; where they were closed, they exist now.

    It comes before anything is opened: the next file would otherwise have the number of a closed stream, and what
    libraries print would land in it. Streams that somebody has put in the place of the process's own stay.
    """
    if os.name != "posix":
        return
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _to_null(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is sys.__stdout__:
        sys.stdout = _lasting(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _lasting(2, sys.stderr)


class _Lasting(io.FileIO):
    """A descriptor of which writing always succeeds: what its reader does not take is dropped.

    Where the reader is gone for good, the descriptor itself leads nowhere from then on, for C libraries and children.
    """

    def write(self, data: Buffer, /) -> int:
        written: int | None = None
        try:
            written = super().write(data)  # nothing, of a terminal that would block
        except OSError as error:
            if error.errno in GONE:
                _to_null(self.fileno())
        return memoryview(data).nbytes if written is None else written


def _lasting(number: int, before: TextIO | None) -> TextIO:
    if before is not None:
        with contextlib.suppress(OSError):
            before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Lasting(number, "w", closefd=False)),
        encoding=before.encoding if before else "utf-8",
        errors=before.errors if before else "backslashreplace",
        line_buffering=number == 2 or os.isatty(number) or getattr(before, "write_through", False),
    )


def _to_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(null, number)
        os.close(null)
