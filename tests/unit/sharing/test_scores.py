from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cgan_dist.checkpoints.store import Checkpoint, Checkpoints
from cgan_dist.errors import UserError
from cgan_dist.sharing.scores import Scores, scores_of
from tests.unit.checkpoint_samples import save

NAME = "step-000000000064"


def checkpoint_in(run: Path, **scores: float) -> Checkpoint:
    run.mkdir(parents=True, exist_ok=True)
    return Checkpoint(save(Checkpoints(run / "checkpoints"), 64, scores=scores))


def entry(scores: dict[str, Any], checkpoint: str = NAME, **scored: Any) -> dict[str, Any]:
    facts = {"images": "generated", "count": 100, "seed": 3, "truncation": None, "shuffled_labels": False} | scored
    reference = {"data": "0" * 64, "split": "held_out", "count": 5000}
    return {
        "checkpoint": checkpoint,
        "images": 64,
        "protocol": {"scored": facts, "reference": reference, "metrics": []},
        "scores": scores,
    }


def test_each_evaluation_of_the_checkpoint_is_told_with_its_protocol(tmp_path: Path) -> None:
    checkpoint = checkpoint_in(tmp_path, label_accuracy=0.5, fid=9.0)
    entries = [
        entry({"label_accuracy": 0.9, "fid": None}),
        entry({"kid": 0.01}, count=7, truncation=0.5),
        entry({"fid": 1.0}, checkpoint="step-000000000032"),
        entry({"fid": 2.0}, shuffled_labels=True),
        entry({"fid": 3.0}, images="real"),
        entry({"fid": None}),
    ]
    (tmp_path / "evaluation.json").write_text(json.dumps(entries))
    assert scores_of(checkpoint) == [
        Scores(values={"label_accuracy": 0.9}, protocol={"count": 100, "seed": 3, "real images": "5,000 (held_out)"}),
        Scores(
            values={"kid": 0.01},
            protocol={"count": 7, "seed": 3, "truncation": 0.5, "real images": "5,000 (held_out)"},
        ),
        Scores(values={"fid": 9.0}, protocol={"when": "during training"}),
    ]


def test_the_single_entry_of_earlier_revisions_is_read(tmp_path: Path) -> None:
    old = {"checkpoint": NAME, "images": 64, "count": 10, "seed": 0, "data": "0", "eval/label_accuracy": 0.75}
    (tmp_path / "evaluation.json").write_text(json.dumps(old))
    assert scores_of(checkpoint_in(tmp_path)) == [
        Scores(values={"label_accuracy": 0.75}, protocol={"count": 10, "seed": 0})
    ]


def test_there_may_be_none(tmp_path: Path) -> None:
    checkpoint = checkpoint_in(tmp_path)
    assert scores_of(checkpoint) == []
    (tmp_path / "evaluation.json").write_text(json.dumps([entry({"fid": 1.0})]))
    moved = checkpoint.folder.rename(tmp_path / NAME)  # a copy, away from its run: whose scores would these be?
    assert scores_of(Checkpoint(moved)) == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    checkpoint = checkpoint_in(tmp_path)
    (tmp_path / "evaluation.json").write_text("[")
    with pytest.raises(UserError, match="evaluation.json: cannot be read"):
        scores_of(checkpoint)
