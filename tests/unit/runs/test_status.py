from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cgan_dist.config.document import Config
from cgan_dist.errors import UserError
from cgan_dist.runs.folder import save_config
from cgan_dist.runs.status import describe_status

LINES = """\
{"images": 16, "loss/d": 1.0, "perf/images_per_second": 8.0}
{"images": 24, "eval/label_accuracy": 0.5}
{"images": 32, "loss
"""


@pytest.fixture
def run(make_config: Callable[..., Config]) -> Path:
    config = make_config("train.total_images=57624")
    save_config(config)
    return config.run.folder


def said(run: Path) -> dict[str, str]:
    return {line[:12].strip(): line[12:] for line in describe_status(run).splitlines()}


def test_a_run_that_has_not_begun(run: Path) -> None:
    assert said(run) == {
        "run folder": str(run),
        "job": "none: this run was not started by Slurm",
        "progress": "0 of 57,624 images (0.0%)",
        "speed": "not known yet",
        "time left": "not known yet",
        "checkpoint": "none yet",
        "attempts": "none has ended",
    }


def test_a_run_on_its_way(run: Path) -> None:
    (run / "metrics.jsonl").write_text(LINES)
    (run / "checkpoints" / "step-000000000016").mkdir(parents=True)
    (run / "checkpoints" / "latest").write_text("step-000000000016\n")
    (run / "slurm").mkdir()
    (run / "slurm" / "attempts.log").write_text("one\ntwo: stopped with a checkpoint; starts again\n")
    (run / "REQUEUE").write_text("{}")
    found = said(run)
    assert found["progress"] == "24 of 57,624 images (0.0%)"
    assert found["speed"] == "8 images/s"
    assert found["time left"] == "about 2 h 00 min of training"
    assert found["checkpoint"] == "step-000000000016, 0 min ago"
    assert found["attempts"] == "2 ended; last: two: stopped with a checkpoint; starts again"
    assert found["marks"] == "REQUEUE"


def test_away_from_the_cluster_the_rest_is_said(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (run / "slurm").mkdir()
    (run / "slurm" / "job").write_text("17\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = said(run)
    assert found["job"].startswith("cannot be told: scontrol: not found")
    assert found["progress"] == "0 of 57,624 images (0.0%)"


@pytest.mark.parametrize("there", [True, False])
def test_what_is_no_run_folder_is_refused(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "nothing"
    if there:
        folder.mkdir()
    with pytest.raises(UserError, match="expected a run folder such as runs/demo"):
        describe_status(folder)


@pytest.mark.parametrize("total", ["many", "-1", "1" + "0" * 400, "[]", "null"])
def test_a_config_that_somebody_has_changed_is_a_sentence(run: Path, total: str) -> None:
    path = run / "config.yaml"
    path.write_text(path.read_text().replace("57624", total))
    with pytest.raises(UserError, match=r"config.yaml: train.total_images: found .*mv "):
        describe_status(run)


def test_numbers_that_no_run_logs_are_passed_over(run: Path) -> None:
    (run / "metrics.jsonl").write_text('{"images": 16}\n{"images": Infinity, "perf/images_per_second": NaN}\n')
    assert said(run)["progress"].startswith("16 of")
    assert said(run)["speed"] == "not known yet"
