from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cgan_dist.commands.code import leave_out_working_folder

LIBRARIES = os.path.dirname(os.__file__)
PACKAGE = str(Path(__file__).parents[3])


@pytest.mark.parametrize(
    ("pythonpath", "before", "after"),
    [
        ("", ["", LIBRARIES], [LIBRARIES]),
        ("", ["HERE", "/bin", LIBRARIES, "site"], ["/bin", LIBRARIES, "site"]),
        (":/lib", ["HERE", "/lib", LIBRARIES], ["/lib", LIBRARIES]),
        (".:/lib", ["HERE", "/lib", LIBRARIES], ["/lib", LIBRARIES]),
        ("HERE", ["HERE", LIBRARIES], ["HERE", LIBRARIES]),
        ("", ["/bin", LIBRARIES, "HERE"], ["/bin", LIBRARIES, "HERE"]),  # of a .pth file
    ],
)
def test_the_working_folder_is_taken_off_the_front(
    pythonpath: str, before: list[str], after: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", pythonpath.replace("HERE", str(tmp_path)).replace(":", os.pathsep))
    monkeypatch.setattr(sys, "path", [path.replace("HERE", str(tmp_path)) for path in [*before, PACKAGE]])
    leave_out_working_folder()
    assert sys.path == [path.replace("HERE", str(tmp_path)) for path in [*after, PACKAGE]]


def test_the_package_stays_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PACKAGE)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", [PACKAGE, LIBRARIES])
    leave_out_working_folder()
    assert sys.path == [LIBRARIES, PACKAGE]
