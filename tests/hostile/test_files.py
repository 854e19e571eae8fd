"""500 inputs that somebody else made: each command ends with 0 or a sentence, and touches nothing but its folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.inputs import KINDS, make, write_sound
from tests.launching import ROOT, environment

COUNT = 80
"""Inputs of each kind."""
QUICK = 10
"""Of them are tried by `make test`."""
HANGS_SECONDS = 900
"""Of waiting for one answer; the limit proper is in the other process, and of its own time."""
MARKUP = ("\x1b", "\x07", "\x00")


class Victim:
    """Another process that is given one command after the other."""

    def __init__(self, home: Path) -> None:
        script = Path(__file__).with_name("victim_script.py")
        kept = environment() | {"HOME": str(home), "XDG_STATE_HOME": str(home), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=kept
        )

    def attempt(self, folder: Path, arguments: tuple[str, ...]) -> dict[str, Any]:
        """Gives a command, and returns how it ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"folder": str(folder), "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        alarm = threading.Timer(HANGS_SECONDS, self.process.kill)
        alarm.start()
        line = self.process.stdout.readline()
        alarm.cancel()
        assert line, f"the process hung or died: {self.process.wait()}"
        return json.loads(line)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(900)


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    victim = Victim(tmp_path_factory.mktemp("home"))
    yield victim
    victim.close()


def faults(answer: dict[str, Any]) -> list[str]:
    """What is wrong with how a command ended."""
    said = answer["said"]
    found = [f"touched {what}" for what in answer["touched"]]
    if answer["trace"] or "Traceback" in said:
        found.append(answer["trace"] or said)
    if answer["code"] not in (0, 2):
        found.append(f"exit code {answer['code']}")
    if answer["code"] == 2 and not said.strip():
        found.append("no word")
    if len(said) > 20_000:
        found.append(f"{len(said)} letters")
    found += [f"{mark!r} in its words" for mark in MARKUP if mark in said]
    return found


def check(kind: str, numbers: range, victim: Victim, tmp_path: Path) -> None:
    """Tries inputs, and shows those that end wrongly, all of them at once."""
    wrong: list[str] = []
    refused = 0
    for number in numbers:
        folder = tmp_path / f"{kind}-{number}"
        for arguments in make(kind, number, folder):
            answer = victim.attempt(folder, arguments)
            refused += answer["code"] == 2
            wrong += [f"{kind} {number}: {' '.join(arguments)}: {fault}" for fault in faults(answer)]
        shutil.rmtree(folder)
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong)
    assert refused > len(numbers) // 10, "most inputs are harmless, which tests nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_some_of_what_strangers_send(kind: str, victim: Victim, tmp_path: Path) -> None:
    check(kind, range(QUICK), victim, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_all_of_what_strangers_send(kind: str, victim: Victim, tmp_path: Path) -> None:
    check(kind, range(QUICK, COUNT), victim, tmp_path)


def test_a_sound_one_is_taken(victim: Victim, tmp_path: Path) -> None:
    for kind, chosen in KINDS.items():
        folder = tmp_path / kind
        write_sound(folder)
        for arguments in chosen.commands:
            answer = victim.attempt(folder, arguments)
            assert answer["code"] == 0, answer
            assert not faults(answer)


def test_the_watch_sees_what_it_is_there_for(tmp_path: Path) -> None:
    script = (
        "import os, sys, json\nfrom tests.hostile import victim_script as v\nv.own = os.getcwd()\n"
        "sys.addaudithook(v.watch)\nopen('inside', 'w').close()\nopen('../outside', 'w').close()\n"
        "sys.path.append('.')\nopen('stranger_payload.py', 'w').close()\nimport stranger_payload\n"
        "os.system('true')\nprint(json.dumps(v.touched))"
    )
    place = tmp_path / "place"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert [word.split()[0] for word in seen] == ["writes", "import", "os.system"]
