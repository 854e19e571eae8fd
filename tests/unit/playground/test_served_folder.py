"""The folder of what is served goes with its server, also if that is killed."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cgan_dist.playground.served_folder import PREFIX, served_folder

KILLED = """
import os, signal, tempfile
from cgan_dist.playground.served_folder import served_folder
with served_folder() as folder:
    (folder / "drawn.png").write_bytes(b"picture")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_the_next_start_clears_what_a_killed_server_left(place: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED]).returncode == -signal.SIGKILL
    (left,) = place.glob(f"{PREFIX}*")
    assert (left / "drawn.png").is_file()
    with served_folder() as folder:
        assert [*place.iterdir()] == [folder]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [*place.iterdir()] == []


def test_the_folder_of_a_server_that_runs_stays(place: Path) -> None:
    with served_folder() as first:
        with served_folder() as second:
            assert set(place.iterdir()) == {first, second}
        assert [*place.iterdir()] == [first]


def test_nothing_is_cleared_through_a_link(place: Path) -> None:
    (place / "kept").mkdir()
    (place / "kept" / "file").touch()
    (place / f"{PREFIX}link").symlink_to(place / "kept")
    (place / f"{PREFIX}file").touch()
    with served_folder():
        pass
    assert (place / "kept" / "file").exists()
    assert (place / f"{PREFIX}file").exists()
