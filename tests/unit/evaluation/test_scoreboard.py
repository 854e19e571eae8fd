from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from cgan_dist.errors import UserError
from cgan_dist.evaluation.scoreboard import Scoreboard


def entry(images: int, count: int, value: float) -> dict[str, Any]:
    return {
        "checkpoint": f"step-{images}",
        "images": images,
        "protocol": {"scored": {"count": count}},
        "scores": {"fid": value},
    }


def test_one_entry_for_each_checkpoint_and_protocol(tmp_path: Path) -> None:
    board = Scoreboard(tmp_path)
    assert board.entries() == []
    for images, count, value in ((64, 10, 1.0), (64, 20, 2.0), (128, 10, 3.0), (64, 10, 4.0)):
        board.add(entry(images, count, value))
    assert Scoreboard(tmp_path).entries() == [entry(64, 20, 2.0), entry(128, 10, 3.0), entry(64, 10, 4.0)]
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]


def test_the_entry_of_an_earlier_version_stays(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps({"checkpoint": "step-64", "eval/label_accuracy": 0.5}))
    Scoreboard(tmp_path).add(entry(64, 10, 1.0))
    assert len(Scoreboard(tmp_path).entries()) == 2


@pytest.mark.parametrize("content", ["[", "3", '["fid"]'])
def test_what_no_scoreboard_wrote_is_refused_before_any_work(tmp_path: Path, content: str) -> None:
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(UserError, match="evaluation.json: .*or move it away"):
        Scoreboard(tmp_path)
    assert (tmp_path / "evaluation.json").read_text() == content


def add_several(folder: Path, first: int) -> None:
    board = Scoreboard(folder)
    for number in range(first, first + 20):
        board.add(entry(number, 10, 0.0))


def test_two_evaluations_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=add_several, args=(tmp_path, first)) for first in (0, 100)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert len(Scoreboard(tmp_path).entries()) == 40


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    board = Scoreboard(tmp_path)
    tmp_path.rename(tmp_path.with_name("moved"))
    with pytest.raises(UserError, match="cannot write: No such file"):
        board.add(entry(64, 10, 1.0))
