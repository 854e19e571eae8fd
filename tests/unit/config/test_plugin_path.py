from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgan_dist.config.plugin_path import folder_of, import_plugin, let_in


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    for name in ("mine_alone", "mine_in", "mine_in.a"):
        sys.modules.pop(name, None)


def test_a_folder_that_was_let_in_comes_last_and_only_for_a_plug_in(tmp_path: Path) -> None:
    (tmp_path / "mine_alone.py").touch()
    (tmp_path / "json.py").write_text("raise AssertionError")
    before = sys.path[:]
    with pytest.raises(ModuleNotFoundError):
        import_plugin("mine_alone")
    let_in(tmp_path)
    assert sys.path == before
    assert import_plugin("mine_alone").__file__ == str(tmp_path / "mine_alone.py")
    assert sys.path == [*before, str(tmp_path)]
    assert import_plugin("json").loads("1") == 1


def test_the_folder_of_a_run_of_ones_own_comes_before_the_working_folder(tmp_path: Path) -> None:
    for name in ("here", "home"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine_alone.py").touch()
        let_in(tmp_path / name, first=name == "home")
    let_in(tmp_path / "here")
    assert folder_of(import_plugin("mine_alone")) == tmp_path / "home"


def test_what_is_on_the_path_already_stays_where_it_is(tmp_path: Path) -> None:
    sys.path.insert(0, str(tmp_path))
    let_in(tmp_path)
    import_plugin("json")
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_the_folder_of_a_module_is_that_of_its_first_package(tmp_path: Path) -> None:
    (tmp_path / "mine_in").mkdir()
    for name in ("mine_in/__init__.py", "mine_in/a.py"):
        (tmp_path / name).touch()
    let_in(tmp_path)
    assert folder_of(import_plugin("mine_in")) == folder_of(import_plugin("mine_in.a")) == tmp_path
    assert folder_of(sys) is None
