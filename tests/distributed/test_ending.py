"""A process that an error takes out of its group ends with its code, and not by the group's threads aborting it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.launching import run

SCRIPT = Path(__file__).with_name("ending_script.py")


@pytest.mark.parametrize(
    ("how", "code", "taken_apart", "word"),
    [
        ("refuses", 2, False, "Error: alone: found too few images.\n"),
        ("breaks", 1, False, "ZeroDivisionError: a bug in a plug-in\n"),
        ("stops", 7, True, ""),
        ("works", 0, True, ""),
    ],
)
def test_python_is_not_taken_apart_around_a_group(how: str, code: int, taken_apart: bool, word: str) -> None:
    done = run([sys.executable, str(SCRIPT), how])
    assert done.returncode == code, done.stderr
    assert done.stderr.endswith(word)
    assert done.stdout == "cleaned up\n" + "taken apart\n" * taken_apart
