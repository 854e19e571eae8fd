"""Folders in /dev/shm: the last to leave removes one, the next to come what killed ones have left, and nobody more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgan_dist.data.shared_memory import clear_abandoned, folder_named, join, leave
from tests.launching import ROOT, environment

USER = """
import sys
from pathlib import Path
from cgan_dist.data import shared_memory

shared_memory.SHARED_MEMORY = Path(sys.argv[1])
folder = shared_memory.folder_named(sys.argv[2])
shared_memory.join(folder)
(folder / "0.images.npy").write_bytes(b"1" * 1000)
print("joined", flush=True)
sys.stdin.read()
"""
Process = subprocess.Popen[str]


class Users:
    """Processes that use folders in a shared memory."""

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        self.started: list[Process] = []

    def start(self, name: str) -> Process:
        line = [sys.executable, "-c", USER, str(self.memory), name]
        pipe = subprocess.PIPE
        process = subprocess.Popen(line, cwd=ROOT, env=environment(), stdin=pipe, stdout=pipe, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "joined\n"
        self.started.append(process)
        return process


def end(process: Process, killed: bool = False) -> None:
    if killed:
        process.kill()
    process.communicate(timeout=900)


@pytest.fixture
def users(memory: Path) -> Iterator[Users]:
    users = Users(memory)
    yield users
    for process in users.started:
        if process.poll() is None:
            end(process)


def test_the_last_to_leave_removes_it(users: Users) -> None:
    first, second, folder = users.start("set"), users.start("set"), folder_named("set")
    end(first)
    assert folder.exists()
    end(second)
    assert not folder.exists()


def test_what_a_killed_process_left_is_cleared_and_what_a_living_one_uses_stays(
    users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    killed, living = users.start("left"), users.start("used")
    clear_abandoned()
    assert folder_named("left").exists()
    end(killed, killed=True)
    assert folder_named("left").exists()
    with caplog.at_level("INFO"):
        clear_abandoned()
    assert not folder_named("left").exists()
    assert (folder_named("used") / "0.images.npy").stat().st_size == 1000
    assert "left: removed; a run that was killed had left 0.0 MB there" in caplog.text
    end(living)


def test_a_killed_user_of_two_leaves_it_to_the_other(users: Users) -> None:
    killed, living = users.start("set"), users.start("set")
    end(killed, killed=True)
    clear_abandoned()
    assert folder_named("set").exists()
    end(living)
    assert not folder_named("set").exists()


def test_what_this_process_uses_is_not_cleared() -> None:
    folder = folder_named("set")
    join(folder)
    clear_abandoned()
    assert folder.is_dir()
    leave(folder, owner=0)  # of the process that it was forked from
    assert folder.is_dir()


@pytest.mark.parametrize("kind", ["a link", "a file", "of another user"])
def test_what_is_not_ours_is_left_alone(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = folder_named("set")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").touch()
    if kind == "a link":
        folder.symlink_to(tmp_path / "mine")
    elif kind == "a file":
        folder.touch()
    else:
        folder.mkdir()
        uid = folder.stat().st_uid
        monkeypatch.setattr("cgan_dist.data.shared_memory.os.getuid", lambda: uid + 1)
        folder = folder.rename(folder_named("set"))
    clear_abandoned()
    assert folder.exists()
    assert (tmp_path / "mine" / "kept").exists()
    with pytest.raises(OSError, match="belongs to somebody else|File exists"):
        join(folder_named("set"))
