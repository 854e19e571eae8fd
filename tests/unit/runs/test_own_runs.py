from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from cgan_dist.config import plugin_path
from cgan_dist.config.document import Config, parse_config
from cgan_dist.runs.own_runs import mark_own, recognize, state_folder


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def config(tracker: Any = "tests.memory_tracker:Memory", **run: Any) -> Config:
    values = {"data": {"path": "data"}, "tracking": {"trackers": [tracker]}, "run": {"name": "mine"} | run}
    return parse_config(values, "test")


def marks() -> list[Path]:
    return sorted((state_folder() / "own_runs").iterdir()) if state_folder().exists() else []


def test_a_run_without_code_and_addresses_needs_no_mark() -> None:
    plain = config("wandb")
    assert (mark_own(plain), recognize(plain), marks()) == ("", True, [])


def test_a_marked_run_is_recognized_as_a_checkpoint_gives_it_back() -> None:
    named = {"name": "tests.memory_tracker:Memory", "args": {"label": "x", "odd": {1: [None, 0.5]}}}
    assert not recognize(config(named))
    assert mark_own(config(named)) == ""
    assert recognize(parse_config(json.loads(json.dumps(config(named).model_dump())), "saved"))
    (mark,) = marks()
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600
    assert stat.S_IMODE(mark.parent.stat().st_mode) == stat.S_IMODE(mark.parent.parent.stat().st_mode) == 0o700
    assert mark_own(config(named)) == ""
    assert marks() == [mark]


def test_it_says_where_its_code_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in_home.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    __import__("in_home")
    mark_own(config("in_home:Tracker"))
    monkeypatch.delitem(sys.modules, "in_home")
    sys.path.pop()
    assert recognize(config("in_home:Tracker"))
    assert plugin_path.import_plugin("in_home").__file__ == str(tmp_path / "in_home.py")
    monkeypatch.delitem(sys.modules, "in_home")


def test_another_config_has_another_mark() -> None:
    mark_own(config())
    for other in (
        config({"name": "tests.memory_tracker:Memory", "args": {"label": "x"}}),
        config("tests.memory_tracker:Unbuildable"),
        config(seed=1),
        config(name="other"),
        config().model_copy(update={"data": config().data.model_copy(update={"path": "pipe:true"})}),
    ):
        assert not recognize(other)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"code_folders": 3}', b"\xff", b"[" * 100_000])
def test_a_damaged_mark_is_none(content: bytes) -> None:
    mark_own(config())
    marks()[0].write_bytes(content)
    assert not recognize(config())
    assert mark_own(config()) == ""
    assert recognize(config())


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_mark_that_another_user_may_have_made_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_own(config())
    (mark,) = marks()
    for place, mode in ((mark, 0o666), (mark.parent, 0o777)):
        before = stat.S_IMODE(place.stat().st_mode)
        place.chmod(mode)
        assert not recognize(config())
        place.chmod(before)
    assert recognize(config())
    other = mark.rename(tmp_path / "elsewhere.json")
    mark.symlink_to(other)
    assert not recognize(config())
    mark.unlink()
    os.mkfifo(mark)
    assert not recognize(config())
    mark.unlink()
    other.rename(mark)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert not recognize(config())


def test_a_user_without_a_home_has_no_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert mark_own(config()) == "Could not determine home directory."
    assert not recognize(config())
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    assert mark_own(config()) == "Not a directory"
    assert not recognize(config())


def test_each_system_has_its_place_for_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    monkeypatch.setattr(sys, "platform", "linux")
    assert state_folder() == tmp_path / ".local" / "state" / "cgan_dist"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert state_folder() == tmp_path / "Library" / "Application Support" / "cgan_dist"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "AppData"))
    assert state_folder() == tmp_path / "AppData" / "cgan_dist"
