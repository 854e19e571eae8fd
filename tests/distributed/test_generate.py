from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import CONFIG
from tests.launching import ROOT, command, launch, run
from tests.unit.image_sets.sets import files_of

SCRIPT = ROOT / "launch" / "generate.py"


@pytest.fixture(scope="module")
def trained(shards_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "config.yaml").write_text(CONFIG.format(runs=folder / "runs", data=shards_folder))
    launch(1, ROOT / "launch" / "train.py", "--config", str(folder / "config.yaml"))
    return folder / "runs" / "test"


def test_two_processes_make_the_same_set_as_one(trained: Path, tmp_path: Path) -> None:
    for processes in (1, 2):
        out = tmp_path / f"of-{processes}" / "set"
        done = launch(processes, SCRIPT, str(trained), "--count", "700", "--out", str(out))
        assert done.stdout.count("700 images from") == 1, "one of them speaks"
    assert files_of(tmp_path / "of-1") == files_of(tmp_path / "of-2")


def test_a_refusal_ends_both_processes_and_is_said_once(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("the only copy")
    done = run(command(2, SCRIPT, str(trained), "--count", "700", "--out", str(tmp_path / "set")))
    assert done.returncode != 0
    assert "no record of a generated set" in done.stderr
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["thesis.txt"]
